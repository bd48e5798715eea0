//go:build !linux

package cmd

// forgetProgram does nothing: elsewhere there is no such call, or no need.
func forgetProgram() {}
