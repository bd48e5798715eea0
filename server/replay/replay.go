// Package replay keeps whole answers for requests that carry an Idempotency-Key, so
// that a request which is sent again gets the answer it had and no second call is
// made. A key is scoped by the caller's API key and the route.
//
// Answers are files of one directory, sealed, so that they outlive the process; an
// index of them is in memory. They live 24 hours, and the oldest go first when they
// exceed the bound together. What cannot be kept is forgotten: then the request is
// simply made again.
package replay

import (
	"bytes"
	"container/list"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

// Bounds.
const (
	MaxEntry = 1 << 20 // bytes of one answer
	MaxBytes = 64 << 20
	TTL      = 24 * time.Hour
	// MaxKey is the longest Idempotency-Key.
	MaxKey     = 255
	maxEntries = 100_000
	perEntry   = 512 // bytes that an entry costs beside its answer
)

// Errors of Begin.
var (
	ErrInFlight      = errors.New("a request with this Idempotency-Key is being served")
	ErrMismatch      = errors.New("this Idempotency-Key was used for another request")
	ErrNotReplayable = errors.New("the answer to this Idempotency-Key was too large to be kept")
)

// Options say where answers are kept.
type Options struct {
	Dir    string // made if missing
	Sealer *store.Sealer
	Now    func() time.Time
}

// A Book keeps answers. Its methods are safe for concurrent use.
type Book struct {
	o     Options
	mu    sync.Mutex
	index map[id]*list.Element // of kept
	ages  list.List            // of *kept, the oldest first
	bytes int64
	busy  map[id]bool // in flight
}

type id [sha256.Size]byte

type kept struct {
	id   id
	size int64
	at   time.Time
}

// An Answer is what a caller got.
type Answer struct {
	Status      int
	ContentType string
	RequestID   string // of the request that made it
	Body        []byte
}

// record is the head of an entry; the body follows it after a line feed.
type record struct {
	Status      int    `json:"status"` // 0: the answer was too large
	ContentType string `json:"content_type"`
	RequestID   string `json:"request_id"`
	Request     []byte `json:"request"` // SHA-256 of the request's body
}

// Open returns the book of a directory.
func Open(o Options) (*Book, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make directory of answers: %w", err)
	}
	b := &Book{o: o, index: map[id]*list.Element{}, busy: map[id]bool{}}
	files, err := os.ReadDir(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("cannot list answers: %w", err)
	}
	var found []*kept
	for _, f := range files {
		info, err := f.Info()
		raw, bad := hex.DecodeString(f.Name())
		if err != nil || bad != nil || len(raw) != len(id{}) || !info.Mode().IsRegular() {
			if err == nil && info.Mode().IsRegular() && filepath.Ext(f.Name()) == draftExt { // cut short by the end of its process
				_ = os.Remove(filepath.Join(o.Dir, f.Name()))
			}
			continue
		}
		found = append(found, &kept{id: id(raw), size: info.Size() + perEntry, at: info.ModTime()})
	}
	slices.SortFunc(found, func(x, y *kept) int { return x.at.Compare(y.at) })
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, k := range found {
		b.add(k)
	}
	b.trim()
	return b, nil
}

func identify(apiKey, route, key string) id {
	h := sha256.New()
	for _, s := range [...]string{apiKey, route, key} {
		fmt.Fprintf(h, "%d:%s", len(s), s)
	}
	return id(h.Sum(nil))
}

// Begin starts a request: it returns the answer that is kept for it, or a Ticket by
// which one will be. request is the SHA-256 of its body; a zero one is not compared.
func (b *Book) Begin(apiKey, route, key string, request [32]byte) (*Ticket, *Answer, error) {
	at := identify(apiKey, route, key)
	b.mu.Lock()
	if b.busy[at] {
		b.mu.Unlock()
		return nil, nil, ErrInFlight
	}
	b.trim()
	_, known := b.index[at]
	if !known {
		b.busy[at] = true
		b.mu.Unlock()
		return &Ticket{b: b, id: at, request: request}, nil, nil
	}
	b.mu.Unlock()
	head, body, err := b.load(at)
	if err != nil { // gone, or sealed by another master key: as if it had never been
		b.forget(at)
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.busy[at] {
			return nil, nil, ErrInFlight
		}
		b.busy[at] = true
		return &Ticket{b: b, id: at, request: request}, nil, nil
	}
	switch {
	case request != ([32]byte{}) && !bytes.Equal(head.Request, request[:]):
		return nil, nil, ErrMismatch
	case head.Status == 0:
		return nil, nil, ErrNotReplayable
	}
	return nil, &Answer{Status: head.Status, ContentType: head.ContentType, RequestID: head.RequestID, Body: body}, nil
}

func (b *Book) path(at id) string { return filepath.Join(b.o.Dir, hex.EncodeToString(at[:])) }

func (b *Book) load(at id) (head record, body []byte, err error) {
	sealed, err := os.ReadFile(b.path(at))
	if err != nil {
		return head, nil, err
	}
	plain, err := b.o.Sealer.Open(sealed, hex.EncodeToString(at[:]))
	if err != nil {
		return head, nil, err
	}
	first, rest, found := bytes.Cut([]byte(plain.Reveal()), []byte("\n"))
	if !found {
		return head, nil, store.ErrCorrupt
	}
	return head, rest, json.Unmarshal(first, &head)
}

const draftExt = ".new"

// Reseal seals the answers kept in dir anew, while no Book has it open. What cannot be
// opened stays as it is. It returns how many answers were sealed anew.
func Reseal(dir string, old, next *store.Sealer) (n int, err error) {
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("cannot list answers: %w", err)
	}
	for _, f := range files {
		path := filepath.Join(dir, f.Name())
		info, err := f.Info()
		if err != nil || !info.Mode().IsRegular() || len(f.Name()) != hex.EncodedLen(len(id{})) {
			continue
		}
		sealed, err := os.ReadFile(path)
		if err != nil {
			return n, fmt.Errorf("cannot read answer: %w", err)
		}
		if sealed, err = next.Reseal(sealed, f.Name(), old); err != nil {
			continue
		}
		if err := replace(path, sealed); err != nil {
			return n, fmt.Errorf("cannot write answer: %w", err)
		}
		_ = os.Chtimes(path, info.ModTime(), info.ModTime()) // its age counts from when it was given
		n++
	}
	return n, nil
}

// replace writes a file, whole or not at all.
func replace(path string, b []byte) error {
	if err := os.WriteFile(path+draftExt, b, 0o600); err != nil {
		return err
	}
	return os.Rename(path+draftExt, path)
}

// keep writes an entry. It is in its place whole or not at all.
func (b *Book) keep(at id, head record, body []byte) error {
	first, err := json.Marshal(head)
	if err != nil {
		return err
	}
	sealed, err := b.o.Sealer.Seal(store.NewSecret(string(first)+"\n"+string(body)), hex.EncodeToString(at[:]))
	if err != nil {
		return err
	}
	if err := replace(b.path(at), sealed); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.add(&kept{id: at, size: int64(len(sealed)) + perEntry, at: b.o.Now()})
	b.trim()
	return nil
}

// add enters k as the newest; b.mu is held.
func (b *Book) add(k *kept) {
	if old := b.index[k.id]; old != nil {
		b.bytes -= old.Value.(*kept).size
		b.ages.Remove(old)
	}
	b.index[k.id] = b.ages.PushBack(k)
	b.bytes += k.size
}

// trim removes what is too old, and the oldest beyond the bounds; b.mu is held.
func (b *Book) trim() {
	now := b.o.Now()
	for e := b.ages.Front(); e != nil; e = b.ages.Front() {
		k := e.Value.(*kept)
		if b.bytes <= MaxBytes && len(b.index) <= maxEntries && now.Sub(k.at) < TTL {
			return
		}
		b.drop(e)
	}
}

func (b *Book) drop(e *list.Element) {
	k := e.Value.(*kept)
	b.ages.Remove(e)
	delete(b.index, k.id)
	b.bytes -= k.size
	if err := os.Remove(b.path(k.id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		_ = os.Truncate(b.path(k.id), 0) // opens as broken, which is as good as gone
	}
}

func (b *Book) forget(at id) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.index[at]; e != nil {
		b.drop(e)
	}
}

// A Ticket records the answer to one request in flight. Its methods take a nil
// Ticket for none. One goroutine at a time uses it.
type Ticket struct {
	b       *Book
	id      id
	request [32]byte
	answer  Answer
	over    bool // more than MaxEntry came
	done    bool
}

// Head notes the status and form of the answer, and which request it is of.
func (t *Ticket) Head(status int, contentType, requestID string) {
	if t != nil {
		t.answer.Status, t.answer.ContentType, t.answer.RequestID = status, contentType, requestID
	}
}

// Add records a part of the answer's body.
func (t *Ticket) Add(p []byte) {
	if t == nil || t.over {
		return
	}
	if len(t.answer.Body)+len(p) > MaxEntry {
		t.over, t.answer.Body = true, nil
		return
	}
	t.answer.Body = append(t.answer.Body, p...)
}

// Keep says that the answer is whole. Only one of success is kept; of one that is
// too large it is kept that it was. It returns before the last byte may go out.
func (t *Ticket) Keep() error {
	if t == nil || t.done || t.answer.Status < 200 || t.answer.Status > 299 {
		return nil
	}
	t.done = true
	head := record{Status: t.answer.Status, ContentType: t.answer.ContentType, RequestID: t.answer.RequestID, Request: t.request[:]}
	if t.over {
		head.Status = 0
	}
	if err := t.b.keep(t.id, head, t.answer.Body); err != nil {
		return fmt.Errorf("cannot keep answer for its Idempotency-Key: %w", err)
	}
	return nil
}

// End ends the request: its key is free again, or answers with what was kept.
func (t *Ticket) End() {
	if t == nil {
		return
	}
	t.b.mu.Lock()
	defer t.b.mu.Unlock()
	delete(t.b.busy, t.id)
}
