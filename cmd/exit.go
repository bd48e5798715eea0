package cmd

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/web/locales"
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
	hint locales.Phrase // a sentence; may be empty
	next string         // a command
}

func (e *hintError) Error() string { return e.err.Error() }
func (e *hintError) Unwrap() error { return e.err }

// Told makes both a locales.Teller: what they say is what they hold.
func (e *exitError) Told() error { return e.err }
func (e *hintError) Told() error { return e.err }

// told is what err says, in the language of messages as far as it is known there.
// What the gateway or an upstream has answered stays as they say it.
func (a *app) told(err error) string {
	return a.catalogue().Tell(unreached(err))
}

// unreached makes an error that can be told of one that no gateway was reached.
func unreached(err error) error {
	var gone *api.Unreachable
	if errors.As(err, &gone) && err.Error() == gone.Error() {
		return errorf("cannot reach the gateway at %s: %w", gone.URL, gone.Err)
	}
	return err
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

// usageTroubles are the 400s of the admin API for what came from flags and arguments.
var usageTroubles = map[string]bool{"invalid_value": true, "missing_field": true, "invalid_query": true, "too_many_groups": true}

func refusalCode(e *api.Error) int {
	switch {
	case e.Status == 400 && usageTroubles[e.Code]:
		return exitUsage
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
	a.line("%s %s", a.paint(a.stderr, red, a.t("cli.error")), cleanLines(a.told(err)))
	hint, next := a.remedy(err)
	if hint.Format != "" {
		a.line("%s", cleanLines(a.say(hint.Format, hint.Args...)))
	}
	if next != "" {
		a.line("  %s", cleanText(next))
	}
	return code
}

// remedy returns what helps against err: a sentence and a command. There is always a
// command, unless somebody has cancelled, or the error has a code of its own and said all.
func (a *app) remedy(err error) (hint locales.Phrase, next string) {
	hint, next = a.known(err)
	var own *exitError
	switch code := exitCode(err); {
	case next != "" || errors.Is(err, context.Canceled):
	case code == exitConfig || code == exitLedger:
		return hint, "ai-gateway doctor"
	case a.command != "" && !errors.As(err, &own):
		return hint, a.command + " --help"
	}
	return hint, next
}

// known returns what is known to help against err.
func (a *app) known(err error) (hint locales.Phrase, next string) {
	var h *hintError
	var refused *api.Error
	var gone *api.Unreachable
	switch {
	case errors.As(err, &h):
		return h.hint, h.next
	case errors.Is(err, context.Canceled):
		return hint, ""
	case errors.As(err, &gone):
		return phrase("Start a gateway, or name another with --gateway-url:"), "ai-gateway serve"
	case errors.As(err, &refused):
		return a.remedyRefused(refused)
	}
	return hint, ""
}

func (a *app) remedyRefused(e *api.Error) (hint locales.Phrase, next string) {
	var id locales.Phrase
	if e.RequestID != "" {
		id = phrase("request %s", e.RequestID)
	}
	switch {
	case e.Status == 401 && a.keyFrom == "":
		return phrase("No key was given, and no gateway of yours runs on this machine. Set one:"), "ai-gateway config set api_key <key>"
	case e.Status == 401:
		return phrase("The key is from %s. Set a valid one:", a.keyFrom), "ai-gateway config set api_key <key>"
	case e.Status == 403:
		if a.keyFrom == "" {
			return phrase("No key was given. See what one may do:"), "ai-gateway whoami"
		}
		return phrase("The key is from %s. See what it may do:", a.keyFrom), "ai-gateway whoami"
	case e.Code == "model_not_found":
		return id, "ai-gateway models list"
	case e.Status == 429:
		return id, "ai-gateway whoami"
	case e.RequestID != "" && refusalCode(e) == exitUpstream:
		return hint, "ai-gateway logs show " + e.RequestID
	case gatewayTroubles[e.Code]:
		return id, "ai-gateway doctor"
	}
	return id, ""
}

// line writes one line for people to standard error, in the language of messages.
func (a *app) line(format string, args ...any) {
	fmt.Fprintln(a.stderr, a.say(format, args...))
}
