package cmd

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/term"

	"github.com/your-org/ai-api-gateway/web/locales"
)

func stdinTerminal(r io.Reader) bool {
	f, ok := r.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// piped reports whether standard input is a pipe or file that holds something to read.
func (a *app) piped() bool {
	f, ok := a.stdin.(*os.File)
	if !ok {
		return a.stdin != nil
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice == 0
}

func (a *app) askSecret(f *os.File, what locales.Phrase) (string, error) {
	fmt.Fprintf(a.stderr, "%s: ", a.say(what.Format, what.Args...))
	secret, err := answered(a, func() ([]byte, error) { return term.ReadPassword(int(f.Fd())) })
	if interrupted(err) {
		return "", err
	}
	fmt.Fprintln(a.stderr)
	if err != nil {
		return "", errorf("cannot read the key: %w", err)
	}
	return strings.TrimSpace(string(secret)), nil
}

// confirm asks whether to go on. Where nobody can be asked, yes must have been given.
func (a *app) confirm(yes bool, question locales.Phrase) error {
	if yes {
		return nil
	}
	if a.noInput || !stdinTerminal(a.stdin) {
		return wrongUsage("", "%s Nobody can be asked here: add --yes", question)
	}
	fmt.Fprintf(a.stderr, "%s [y/N] ", a.say(question.Format, question.Args...))
	answer, err := answered(a, func() (string, error) { return bufio.NewReader(a.stdin).ReadString('\n') })
	switch {
	case interrupted(err):
		return err
	case err != nil && err != io.EOF:
		return errorf("cannot read the answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes", "是":
		return nil
	}
	return &exitError{exitUsage, errorf("nothing was done")}
}

// errInterrupted says that somebody pressed Ctrl-C where an answer was asked for.
var errInterrupted = &exitError{exitUsage, errorf("cancelled")}

func interrupted(err error) bool { return errors.Is(err, errInterrupted) }

// answered runs read, which waits for what somebody types. Ctrl-C ends the wait and
// gives the terminal back as it was, which shows nothing while a secret is typed;
// read itself goes on until the process ends, which is about to.
func answered[T any](a *app, read func() (T, error)) (T, error) {
	var before *term.State
	f, ok := a.stdin.(*os.File)
	if ok {
		before, _ = term.GetState(int(f.Fd())) // nil: no terminal
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	type answer struct {
		v   T
		err error
	}
	answers := make(chan answer, 1)
	go func() { // it ends with its answer, or with the process
		defer func() {
			if v := recover(); v != nil {
				answers <- answer{err: errorf("cannot read the answer: %w", errors.New(fmt.Sprint(v)))}
			}
		}()
		v, err := read()
		answers <- answer{v, err}
	}()
	select {
	case got := <-answers:
		return got.v, got.err
	case <-signals:
		if before != nil {
			_ = term.Restore(int(f.Fd()), before)
		}
		fmt.Fprintln(a.stderr)
		var none T
		return none, errInterrupted
	}
}

// Colours, as SGR parameters.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
	dim    = "2"
)

// paint colours text for w if colour is wanted there (no-color.org, CLICOLOR_FORCE).
func (a *app) paint(w io.Writer, sgr, text string) string {
	on := isTerminal(w) && a.env["TERM"] != "dumb"
	switch {
	case a.color == "always":
		on = true
	case a.color == "never" || a.env["NO_COLOR"] != "":
		on = false
	case a.env["CLICOLOR_FORCE"] != "" && a.env["CLICOLOR_FORCE"] != "0":
		on = true
	}
	if !on || text == "" {
		return text
	}
	return "\x1b[" + sgr + "m" + text + "\x1b[0m"
}

// cleanText makes text harmless on a terminal, in one line.
func cleanText(s string) string { return locales.Clean(s) }

// cleanLines is cleanText that keeps line ends and tabs.
func cleanLines(s string) string { return locales.CleanLines(s) }
