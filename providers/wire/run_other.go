//go:build !amd64

package wire

func run16(s string) (n int, high int) { return runWords(s) }
