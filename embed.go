// Package aigateway embeds what the binary carries: the admin page.
package aigateway

import (
	"embed"
	"io/fs"
)

//go:embed all:web/dist
var web embed.FS

// Web returns the built admin page.
func Web() fs.FS {
	sub, err := fs.Sub(web, "web/dist")
	if err != nil {
		panic("BUG: web/dist is not embedded: " + err.Error())
	}
	return sub
}
