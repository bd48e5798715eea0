package telemetry

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

type safeBuffer struct {
	mu sync.Mutex
	bytes.Buffer
	writes int
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.writes++
	return b.Buffer.Write(p)
}

func (b *safeBuffer) text() (string, int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.String(), b.writes
}

func TestLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out safeBuffer
		l := NewLines(&out)
		l.Add(func(dst []byte) []byte { return append(dst, "one\n"...) })
		_, _ = l.Write([]byte("two\n"))
		if s, _ := out.text(); s != "" {
			t.Errorf("written at once: %q", s)
		}
		time.Sleep(lineFlush + time.Millisecond)
		synctest.Wait()
		if s, n := out.text(); s != "one\ntwo\n" || n != 1 {
			t.Errorf("%q in %d writes", s, n)
		}
		_, _ = l.Write([]byte(strings.Repeat("x", lineBuffer)))
		if _, n := out.text(); n != 2 {
			t.Errorf("a full buffer waits")
		}
		_, _ = l.Write([]byte("last\n"))
		l.Close()
		if s, _ := out.text(); !strings.HasSuffix(s, "last\n") {
			t.Error("Close lost a line")
		}
	})
}
