package cmd

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// A progress tells on standard error how far long work has come: one line, written
// over, on a terminal only, and not before the work has proven to be long.
type progress struct {
	w    io.Writer
	stop chan struct{}
	over sync.WaitGroup

	mu    sync.Mutex
	state string
	shown int // cells on the terminal
}

const (
	progressAfter = time.Second
	progressEvery = 200 * time.Millisecond
)

// progress begins to tell of work whose result goes to out; its end must be told
// with done. Where both are one terminal it keeps silent.
func (a *app) progress(what string, out io.Writer) *progress {
	on := isTerminal(a.stderr) && !isTerminal(out) && a.env["TERM"] != "dumb" && a.env["AI_GATEWAY_ACCESSIBLE"] == ""
	return newProgress(a.stderr, a.say("%v", phrase(what)), on)
}

func newProgress(w io.Writer, what string, on bool) *progress {
	p := &progress{w: w, stop: make(chan struct{})}
	if !on {
		return p
	}
	start := time.Now()
	p.over.Go(func() {
		tick := time.NewTicker(progressEvery)
		defer tick.Stop()
		for {
			select {
			case <-p.stop:
				p.show("")
				return
			case <-tick.C:
			}
			if since := time.Since(start); since >= progressAfter {
				p.mu.Lock()
				state := p.state
				p.mu.Unlock()
				p.show(strings.TrimSpace(fmt.Sprintf("%s … %s", what, state)) + fmt.Sprintf(" (%d s)", int(since.Seconds())))
			}
		}
	})
	return p
}

// show writes text over what stands there.
func (p *progress) show(text string) {
	if text == "" && p.shown == 0 {
		return
	}
	n := width(text)
	fmt.Fprintf(p.w, "\r%s%s\r", text, strings.Repeat(" ", max(0, p.shown-n)))
	p.shown = n
}

// at says how far the work is.
func (p *progress) at(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state = fmt.Sprintf(format, args...)
}

// done takes the line away. It may be called once.
func (p *progress) done() {
	close(p.stop)
	p.over.Wait()
}

// A counted tells of the bytes that pass.
type counted struct {
	p *progress
	w io.Writer
	r io.Reader
	n int64
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.count(n)
	return n, err
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.count(n)
	return n, err
}

func (c *counted) count(n int) {
	c.n += int64(n)
	c.p.at("%s", megabytes(c.n))
}
