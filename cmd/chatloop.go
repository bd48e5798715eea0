package cmd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
)

// loop asks line by line until the input ends. Ctrl-C stops an answer; between
// answers it ends the program, as anywhere.
func (t *talk) loop() error {
	a := t.app
	a.line("Talking to %s. /new starts afresh, Ctrl-C stops an answer, Ctrl-D ends.", cleanText(t.f.model))
	lines := bufio.NewReaderSize(a.stdin, 64<<10)
	for {
		fmt.Fprint(a.stderr, "> ")
		line, err := answered(a, func() (string, error) { return readLine(lines) })
		if interrupted(err) {
			return err
		}
		if errors.Is(err, io.EOF) && strings.TrimSpace(line) == "" {
			fmt.Fprintln(a.stderr)
			return nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return errorf("cannot read standard input: %w", err)
		}
		switch line = strings.TrimSpace(line); line {
		case "":
		case "/new":
			t.messages = t.messages[:0:0]
			if t.f.system != "" {
				t.messages = systemMessage(t.f.system)
			}
			a.line("A new conversation.")
		case "/exit", "/quit":
			return nil
		default:
			if err := t.turn(line); err != nil {
				a.report(err) // one failed answer does not end the conversation
			}
		}
	}
}

// turn asks once; Ctrl-C ends this answer alone.
func (t *talk) turn(prompt string) error {
	ctx, stop := signal.NotifyContext(t.app.ctx, os.Interrupt)
	defer stop()
	err := t.ask(ctx, prompt)
	if ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled) && err != nil {
		t.app.line("stopped")
		return nil
	}
	return err
}

// readLine reads one line of at most maxPrompt bytes.
func readLine(r *bufio.Reader) (string, error) {
	var b strings.Builder
	for {
		part, err := r.ReadSlice('\n')
		b.Write(part)
		if b.Len() > maxPrompt {
			return "", errorf("the line is longer than %d MiB", maxPrompt>>20)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return b.String(), err
		}
	}
}
