// Package unasked keeps bubbletea from asking the terminal for its colours before main
// begins. Its init does so in every program that it is linked into, whatever the verb,
// and waits up to five seconds where nothing answers: under script, on bare
// pseudo-terminals, in some CI.
//
// The libraries do not ask terminals of the kind "dumb" (termenv, termStatusReport).
// So TERM is that from the first initialisation of this package to Restore, which
// package tui calls in its own. The order is that of the language's specification
// (Package initialization): of packages whose imports are initialised, the first by
// path. This one imports syscall alone, which golang.org/x/sys needs, too, whose path
// comes later and which termenv needs; and package tui imports bubbletea.
package unasked

import "syscall"

var term, was = syscall.Getenv("TERM")

func init() {
	if was {
		_ = syscall.Setenv("TERM", "dumb")
	}
}

// Restore gives the environment back as the program was given it.
func Restore() {
	if was {
		_ = syscall.Setenv("TERM", term)
	}
}
