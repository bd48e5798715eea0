package cmd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/your-org/ai-api-gateway/server/api"
)

// Exit codes of the client verbs; serve has 74 and 78 besides.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitAuth        = 4
	exitUnreachable = 5
	exitQuota       = 6
	exitUpstream    = 7
)

const exitCodesText = `Exit codes of ai-gateway:

  0   done
  1   failed
  2   wrong usage, or cancelled
  3   not found: a model, a key, an account, a request
  4   not allowed: no key, a wrong key, or one without the right
  5   the gateway cannot be reached
  6   a quota or rate limit is exhausted
  7   the upstream failed
  74  serve: the ledger cannot be written
  78  serve: the configuration or a key of it is wrong`

func exitCodesTopic() *cobra.Command {
	return &cobra.Command{Use: "exit-codes", Short: "What the exit codes mean", Long: exitCodesText}
}

// An exitError ends the program with a code of its own.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// A hintError says besides what to type next.
type hintError struct {
	err  error
	hint string // a sentence; may be empty
	next string // a command
}

func (e *hintError) Error() string { return e.err.Error() }
func (e *hintError) Unwrap() error { return e.err }

// wrongUsage is a mistake in how a command was called.
func wrongUsage(next, msg string, args ...any) error {
	return &exitError{exitUsage, &hintError{err: fmt.Errorf(msg, args...), next: next}}
}

// usageOf makes what cobra says of flags and arguments an error of usage.
func usageOf(c *cobra.Command, err error) error {
	var e *exitError
	if errors.As(err, &e) {
		return err
	}
	return wrongUsage(c.CommandPath()+" --help", "%s", strings.SplitN(err.Error(), "\n", 2)[0])
}

// exitCode returns the code that err ends the program with.
func exitCode(err error) int {
	var own *exitError
	var refused *api.Error
	var gone *api.Unreachable
	switch {
	case errors.As(err, &own):
		return own.code
	case errors.Is(err, context.Canceled):
		return exitUsage
	case errors.As(err, &gone):
		return exitUnreachable
	case errors.As(err, &refused):
		return refusalCode(refused)
	case errors.Is(err, api.ErrCut):
		return exitUpstream
	}
	return exitFailure
}

// gatewayTroubles are the 5xx codes that are the gateway's own, not an upstream's.
var gatewayTroubles = map[string]bool{"ledger_unavailable": true, "server_shutting_down": true, "overloaded": true, "unavailable": true, "internal_error": true}

func refusalCode(e *api.Error) int {
	switch {
	case e.Status == 401 || e.Status == 403:
		return exitAuth
	case e.Status == 404:
		return exitNotFound
	case e.Status == 429:
		return exitQuota
	case gatewayTroubles[e.Code]:
		return exitFailure
	case e.Status == 0 || e.Status == 502 || e.Status == 503 || e.Status == 504:
		return exitUpstream
	}
	return exitFailure
}

// report tells err on standard error, the next command to type last, and returns its exit code.
func (a *app) report(err error) int {
	code := exitCode(err)
	a.line("%s %s", a.paint(a.stderr, red, a.t("cli.error")), cleanLines(err.Error()))
	hint, next := a.remedy(err)
	if hint != "" {
		a.line("%s", cleanLines(hint))
	}
	if next != "" {
		a.line("  %s", cleanText(next))
	}
	return code
}

// remedy returns what helps against err: a sentence and a command.
func (a *app) remedy(err error) (hint, next string) {
	var h *hintError
	var refused *api.Error
	var gone *api.Unreachable
	switch {
	case errors.As(err, &h):
		return h.hint, h.next
	case errors.Is(err, context.Canceled):
		return "", ""
	case errors.As(err, &gone):
		return a.t("cli.hint.start"), "ai-gateway serve"
	case errors.As(err, &refused):
		return a.remedyRefused(refused)
	}
	return "", ""
}

func (a *app) remedyRefused(e *api.Error) (hint, next string) {
	id := ""
	if e.RequestID != "" {
		id = "request " + e.RequestID
	}
	switch {
	case e.Status == 401 && a.keyFrom == "":
		return a.t("cli.hint.no_key"), "ai-gateway config set api_key <key>"
	case e.Status == 401:
		return a.t("cli.hint.bad_key", a.keyFrom), "ai-gateway config set api_key <key>"
	case e.Status == 403:
		from := a.keyFrom
		if from == "" {
			from = a.t("cli.hint.nowhere")
		}
		return a.t("cli.hint.no_right", from), "ai-gateway whoami"
	case e.Code == "model_not_found":
		return id, "ai-gateway models list"
	case e.Status == 429:
		return id, "ai-gateway whoami"
	case e.RequestID != "" && refusalCode(e) == exitUpstream:
		return "", "ai-gateway logs show " + e.RequestID
	}
	return id, ""
}

// line writes one line for people to standard error.
func (a *app) line(format string, args ...any) {
	fmt.Fprintf(a.stderr, format+"\n", args...)
}
