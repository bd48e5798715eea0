package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestHistogram(t *testing.T) {
	for range 100000 {
		n := rand.Int64N(1 << rand.IntN(62))
		b := bucketOf(n)
		if low, next := lowest(b), lowest(b+1); n < low || n >= next || float64(next-low) > float64(low)/31+1 {
			t.Fatalf("%d is in bucket %d, of %d to %d", n, b, low, next)
		}
	}
	var h histogram
	for i := range 1000 {
		h.add(time.Duration(i+1) * time.Millisecond)
	}
	f := func(got, want float64) {
		t.Helper()
		if got < want || got > want*1.04 {
			t.Errorf("%v, want %v", got, want)
		}
	}
	x := h.times()
	f(x.P50, 500)
	f(x.P90, 900)
	f(x.P99, 990)
	f(x.Max, 1000)
}

// stalls serves answers at once but for one, which holds all others up with it.
func stalls(t *testing.T, at int64, d time.Duration) string {
	var n atomic.Int64
	gate := make(chan struct{}, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		gate <- struct{}{}
		if n.Add(1) == at {
			time.Sleep(d)
		}
		<-gate
		_, _ = w.Write([]byte("{}"))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// TestOmission is why the open load exists: a target that stands still for a while
// is seen by one request of each connection in a closed load, and in an open one by
// all that were due meanwhile. The 20th request is due after 95 ms, so that all but
// 19 are answered after 1.595 s at the earliest, and a busy machine can only make
// that later: half of the 400 were due 400 ms before, a tenth 1.25 s.
func TestOmission(t *testing.T) {
	const at, stall = 20, 1500 * time.Millisecond
	open, err := Run(context.Background(), Load{URL: stalls(t, at, stall), Connections: 4, Rate: 200, Body: 1, For: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if open.Errors != 0 || open.Requests != 400 {
		t.Errorf("%d requests, %d errors: %s", open.Requests, open.Errors, open.FirstError)
	}
	if open.Latency.P50 < 400 || open.Latency.P90 < 1250 || open.Latency.Max < 1500 {
		t.Errorf("open: %+v", open.Latency)
	}
	closed, err := Run(context.Background(), Load{URL: stalls(t, at, stall), Connections: 4, Body: 1, For: 3 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	// Four of thousands waited; of fewer than 40, where the machine stands still too, they would be a tenth.
	if closed.Errors != 0 || closed.Latency.P90 > 500 || closed.Latency.Max < 1500 {
		t.Errorf("closed, %d requests, %d errors: %+v", closed.Requests, closed.Errors, closed.Latency)
	}
}

func TestStreams(t *testing.T) {
	m := Mock{Answer: 10, Chunks: 5, ChunkDelay: 5 * time.Millisecond}
	if err := m.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	defer m.Stop()
	r, err := Run(context.Background(), Load{URL: m.URL(), Connections: 4, Stream: true, Body: 1, For: time.Second, PID: os.Getpid()})
	if err != nil || r.Errors != 0 || r.Requests == 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	if r.Chunks < 4*r.Requests || r.First.P50 < 5 || r.Transit.P50 <= 0 || r.Transit.P50 > 1000 {
		t.Errorf("%+v first %+v transit %+v", r, r.First, r.Transit)
	}
	if _, known := usage(os.Getpid()); known && (r.CPU == nil || *r.CPU <= 0 || r.RSS == 0) {
		t.Errorf("no CPU: %+v", r)
	}
}

// TestAsked: gateways write a request anew, with the wish for a stream behind the texts.
func TestAsked(t *testing.T) {
	text := strings.Repeat(`a \"stream\":true `, 1000)
	for body, want := range map[string]bool{
		`{"model":"m","stream":true,"messages":[]}`:                                          true,
		`{"model":"m","messages":[{"role":"user","content":"` + text + `"}],"stream": true}`: true,
		`{"model":"m","messages":[{"role":"user","content":"` + text + `"}],"stream":false}`: false,
	} {
		if got := streams([]byte(body)); got != want {
			t.Errorf("%v: %.60s", got, body)
		}
	}
}

func TestFailures(t *testing.T) {
	f := func(answer func(http.ResponseWriter), stream bool, want string) {
		t.Helper()
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w) }))
		defer s.Close()
		r, err := Run(context.Background(), Load{URL: s.URL, Connections: 1, Stream: stream, Body: 1, For: 100 * time.Millisecond})
		if err != nil || r.Requests != 0 || r.Errors == 0 || !strings.Contains(r.FirstError, want) {
			t.Errorf("%+v, %v; want %q", r, err, want)
		}
	}
	f(func(w http.ResponseWriter) { w.WriteHeader(503); _, _ = w.Write([]byte("draining")) }, false, "HTTP 503: draining")
	f(func(w http.ResponseWriter) {}, false, "the answer is empty")
	f(func(w http.ResponseWriter) { fmt.Fprint(w, `data: {"content":"t1 x"}`+"\n\n") }, true, "broke off after 1 chunks")
	f(func(w http.ResponseWriter) { fmt.Fprint(w, "data: [DONE]\n\n") }, true, "no content")
	f(func(w http.ResponseWriter) { panic(http.ErrAbortHandler) }, false, "cannot read the answer")
	if _, err := Run(context.Background(), Load{URL: "nowhere"}); err == nil {
		t.Error("an address that is none is taken")
	}
}
