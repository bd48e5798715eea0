// Package bench measures gateways: a load generator that is free of coordinated
// omission, a mock upstream, and the CPU of a process as its system counts it.
package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// A Load is what is asked of one target, and how.
type Load struct {
	URL, Key, Model string
	Keys            []string // in place of Key: each request takes the next
	Headers         []string // "Name: value", sent besides
	Connections     int
	Rate            float64 // requests a second, whatever the answers do; 0: each connection asks again when it was answered
	Stream          bool
	Chunks          int // that each stream must have; 0: any number but none
	Body            int // bytes of the prompt
	Warmup, For     time.Duration
	PID             int // of the target, for its CPU; 0: unknown
}

// A Result is what came of a Load. Times are in milliseconds; Latency runs, at a
// fixed rate, from when a request was due, else from when it was sent.
type Result struct {
	Requests   int64    `json:"requests"`
	Errors     int64    `json:"errors"`
	FirstError string   `json:"first_error,omitempty"`
	PerSecond  float64  `json:"requests_per_second"`
	Latency    Times    `json:"latency_ms"`
	First      *Times   `json:"first_content_ms,omitempty"` // of streams
	Transit    *Times   `json:"chunk_transit_ms,omitempty"` // from the mock's send to here
	Chunks     int64    `json:"chunks,omitempty"`
	CPU        *float64 `json:"cpu_us_per_request,omitempty"` // user and system time of the target
	CPUChunk   *float64 `json:"cpu_us_per_chunk,omitempty"`
	RSS        int64    `json:"rss_bytes,omitempty"` // of the target, the most
	Late       float64  `json:"generator_late_ms"`   // p99 of how late requests were sent: above a few, the generator is the limit
}

// Times are quantiles in milliseconds.
type Times struct {
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p99_9"`
	Max  float64 `json:"max"`
}

const (
	callTimeout   = 60 * time.Second // for one answer
	streamTimeout = 5 * time.Minute  // for one stream
	maxAnswer     = 64 << 20
)

// A run is one load under way.
type run struct {
	Load
	address     string
	tls         *tls.Config
	head, tail  []byte    // of the request, before and after its key
	start, from time.Time // of the load, and of what counts
	until       time.Time
	due         atomic.Int64 // requests handed out, at a fixed rate
	keyed       atomic.Int64 // requests that took one of Keys

	requests, errors, chunks    atomic.Int64
	ended                       atomic.Int64 // answers that ended while the CPU was watched, whenever they began
	latency, first, transit, at histogram
	mu                          sync.Mutex
	firstError                  error
}

// Run puts l on its target for its warm-up and its time.
func Run(ctx context.Context, l Load) (*Result, error) {
	u, err := url.Parse(l.URL)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("cannot bench %q: it is no address", l.URL)
	}
	r := &run{Load: l, address: u.Host}
	if u.Port() == "" {
		r.address = net.JoinHostPort(u.Hostname(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	}
	if u.Scheme == "https" {
		r.tls = &tls.Config{ServerName: u.Hostname(), NextProtos: []string{"http/1.1"}}
	}
	r.head, r.tail = r.bytes(u)
	r.start = time.Now()
	r.from = r.start.Add(l.Warmup)
	r.until = r.from.Add(l.For)
	ctx, cancel := context.WithDeadline(ctx, r.until.Add(r.timeout()))
	defer cancel()
	var all sync.WaitGroup
	for i := range l.Connections {
		all.Go(func() {
			if l.Stream && l.Rate == 0 { // not all at once: a second of ramp
				pause(ctx, time.Duration(i)*min(time.Second, l.Warmup)/time.Duration(l.Connections))
			}
			r.connection(ctx)
		})
	}
	pause(ctx, time.Until(r.from))
	before, _ := usage(l.PID)
	pause(ctx, time.Until(r.until))
	after, known := usage(l.PID)
	all.Wait()
	return r.result(before, after, known), nil
}

// within reports whether t is in the time that is measured.
func (r *run) within(t time.Time) bool { return !t.Before(r.from) && t.Before(r.until) }

// timeout is how long one answer may take.
func (r *run) timeout() time.Duration {
	if r.Stream {
		return streamTimeout
	}
	return callTimeout
}

// bytes is the request as it is sent, again and again, before and after its key.
func (r *run) bytes(u *url.URL) (head, tail []byte) {
	prompt := bytes.Repeat([]byte("All work and no play makes a dull day. "), r.Body/39+1)[:max(r.Body, 1)]
	body := fmt.Sprintf(`{"model":%q,"stream":%t,"max_tokens":256,"messages":[{"role":"user","content":%q}]}`, r.Model, r.Stream, prompt)
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST %s/v1/chat/completions HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n", u.EscapedPath(), u.Host, len(body))
	for _, h := range r.Headers {
		b.WriteString(h + "\r\n")
	}
	if r.Key == "" && len(r.Keys) == 0 {
		return append(b.Bytes(), "\r\n"+body...), nil
	}
	b.WriteString("Authorization: Bearer ")
	return b.Bytes(), []byte("\r\n\r\n" + body)
}

// request appends the next request to dst.
func (r *run) request(dst []byte) []byte {
	key := r.Key
	if len(r.Keys) > 0 {
		key = r.Keys[int(r.keyed.Add(1)-1)%len(r.Keys)]
	}
	return append(append(append(dst, r.head...), key...), r.tail...)
}

func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// next waits for the moment of the next request, and says when it was to be sent.
func (r *run) next(ctx context.Context) (due time.Time, ok bool) {
	due = time.Now()
	if r.Rate > 0 {
		due = r.start.Add(time.Duration(float64(r.due.Add(1)-1) / r.Rate * float64(time.Second)))
		pause(ctx, time.Until(due))
	}
	return due, due.Before(r.until) && ctx.Err() == nil
}

// connection asks over one connection, which it opens anew after a failure.
func (r *run) connection(ctx context.Context) {
	var c net.Conn
	var in *bufio.Reader
	out := make([]byte, 0, len(r.head)+len(r.tail)+128)
	for {
		due, ok := r.next(ctx)
		if !ok {
			break
		}
		counts := !due.Before(r.from)
		err := error(nil)
		if c == nil {
			if c, err = r.dial(ctx); err == nil {
				in = bufio.NewReaderSize(c, 16<<10)
			}
		}
		keep := false
		if err == nil {
			keep, err = r.ask(c, in, r.request(out), due, counts)
		}
		if err != nil && counts && ctx.Err() == nil {
			r.failed(err)
		}
		if (err != nil || !keep) && c != nil {
			_ = c.Close()
			c = nil
		}
		if err != nil && r.Rate == 0 {
			pause(ctx, 10*time.Millisecond) // a target that is down is not hammered
		}
	}
	if c != nil {
		_ = c.Close()
	}
}

func (r *run) dial(ctx context.Context) (net.Conn, error) {
	d := net.Dialer{Timeout: 5 * time.Second}
	if r.tls != nil {
		return (&tls.Dialer{NetDialer: &d, Config: r.tls}).DialContext(ctx, "tcp", r.address)
	}
	return d.DialContext(ctx, "tcp", r.address)
}

func (r *run) failed(err error) {
	r.errors.Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.firstError == nil {
		r.firstError = err
	}
}

// ask sends one request and reads its answer to the end.
func (r *run) ask(c net.Conn, in *bufio.Reader, request []byte, due time.Time, counts bool) (keep bool, err error) {
	sent := time.Now()
	_ = c.SetDeadline(sent.Add(r.timeout()))
	if _, err := c.Write(request); err != nil {
		return false, fmt.Errorf("cannot send: %w", err)
	}
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		return false, fmt.Errorf("cannot read the answer: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 200 {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 300))
		return false, fmt.Errorf("HTTP %d: %s", resp.StatusCode, text)
	}
	if r.Stream {
		err = r.events(resp.Body, due, counts)
	} else {
		var n int64
		if n, err = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer)); err == nil && n == 0 {
			err = errors.New("the answer is empty")
		}
	}
	if err != nil {
		return false, err
	}
	if r.within(time.Now()) {
		r.ended.Add(1)
	}
	if counts {
		r.requests.Add(1)
		r.latency.add(time.Since(due))
		r.at.add(sent.Sub(due))
	}
	return !resp.Close, nil
}

var (
	dataMark = []byte("data: ")
	doneMark = []byte("[DONE]")
	sentMark = []byte(`"content":"t`)
)

// events reads a stream, which must end as its format ends.
func (r *run) events(body io.Reader, due time.Time, counts bool) error {
	in, seen := bufio.NewReader(body), 0
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return fmt.Errorf("the stream broke off after %d chunks: %w", seen, err)
		}
		data, ok := bytes.CutPrefix(bytes.TrimRight(line, "\r\n"), dataMark)
		if !ok {
			continue
		}
		if bytes.Equal(data, doneMark) {
			_, err := io.Copy(io.Discard, in)
			switch {
			case seen == 0:
				err = errors.New("the stream had no content")
			case r.Chunks > 0 && seen != r.Chunks:
				err = fmt.Errorf("the stream ended after %d of %d chunks", seen, r.Chunks)
			}
			return err
		}
		i := bytes.Index(data, sentMark)
		if i < 0 {
			continue
		}
		now := time.Now()
		if seen++; seen == 1 && counts {
			r.first.add(now.Sub(due))
		}
		if !r.within(now) {
			continue
		}
		digits := data[i+len(sentMark):]
		if end := bytes.IndexByte(digits, ' '); end > 0 {
			if nano, err := strconv.ParseInt(string(digits[:end]), 10, 64); err == nil {
				r.transit.add(now.Sub(time.Unix(0, nano)))
			}
		}
		r.chunks.Add(1)
	}
}

func (r *run) result(before, after process, known bool) *Result {
	out := &Result{Requests: r.requests.Load(), Errors: r.errors.Load(), Chunks: r.chunks.Load(), Latency: r.latency.times(), Late: r.at.times().P99}
	out.PerSecond = float64(out.Requests) / r.For.Seconds()
	if r.firstError != nil {
		out.FirstError = r.firstError.Error()
	}
	if r.Stream {
		first, transit := r.first.times(), r.transit.times()
		out.First, out.Transit = &first, &transit
	}
	if ended := r.ended.Load(); known && ended > 0 {
		spent := float64((after.cpu - before.cpu).Microseconds())
		cpu := spent / float64(ended)
		out.CPU, out.RSS = &cpu, after.rss
		if out.Chunks > 0 {
			chunk := spent / float64(out.Chunks)
			out.CPUChunk = &chunk
		}
	}
	return out
}
