// Command ai-gateway is the gateway and its command line.
package main

import (
	"os"

	"github.com/your-org/ai-api-gateway/cmd"
)

func main() {
	os.Exit(cmd.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ()))
}
