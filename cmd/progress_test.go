package cmd

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Long work tells how far it is, short work nothing, and nothing stays behind.
func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := newProgress(&out, "backing up", true)
		time.Sleep(progressAfter / 2)
		p.done()
		if out.Len() != 0 {
			t.Errorf("short work said %q", &out)
		}
		p = newProgress(&out, "backing up", true)
		c := &counted{p: p, w: io.Discard}
		_, _ = c.Write(make([]byte, 3<<20))
		time.Sleep(3*time.Second + time.Millisecond)
		p.done()
		said := strings.Split(out.String(), "\r")
		if !strings.Contains(out.String(), "backing up … 3.0 MB (2 s)") && !strings.Contains(out.String(), "backing up … 3.1 MB (2 s)") {
			t.Errorf("long work said %q", said)
		}
		if last := said[len(said)-2]; strings.TrimSpace(last) != "" || len(last) == 0 {
			t.Errorf("the line stays: %q", last)
		}
		out.Reset()
		p = newProgress(&out, "backing up", false)
		time.Sleep(3 * time.Second)
		p.done()
		if out.Len() != 0 {
			t.Errorf("without a terminal it said %q", &out)
		}
	})
}
