package upstream

import (
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
)

// What is remembered of a request is not taken for another's.
func TestLinesRemembered(t *testing.T) {
	var l lines
	f := func(name, value, want string) {
		t.Helper()
		for range 2 * rememberEvery {
			got, err := l.append([]byte("x"), []providers.Header{{Name: name, Value: value}})
			if want == "" && kindOf(err) != BadRequest || want != "" && (err != nil || string(got) != "x"+want) {
				t.Errorf("%q: got %q %v, want %q", name, got, err, want)
			}
		}
	}
	f("Accept", "ab", "Accept: ab\r\n")
	f("Accepu", "ab", "Accepu: ab\r\n")
	f("Accept", "xyzab", "Accept: xyzab\r\n")
	f("Accept", "zyxab", "Accept: zyxab\r\n")
	f("Accept", "\tb", "Accept: \tb\r\n")
	f("Accept", "", "Accept: \r\n")
	f("Acc:pt", "ab", "")
	f("Acce", "pt\nab", "")
	f("", "ab", "")
	f("Accept", "\x7fb", "")
	f("X", strings.Repeat("x", longLine), "X: "+strings.Repeat("x", longLine)+"\r\n")
	if got, err := l.append([]byte("x"), []providers.Header{{Name: "Transfer-Encoding", Value: "chunked"}}); err != nil || string(got) != "x" {
		t.Errorf("got %q %v, want it left out", got, err)
	}
	known := 0
	for i := range l.slots {
		if at := l.slots[i].Load(); at != nil {
			known++
			if len(at.text) > longLine {
				t.Errorf("%d bytes are remembered", len(at.text))
			}
		}
	}
	if known == 0 {
		t.Error("nothing is remembered")
	}
}
