package bolt

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"github.com/your-org/ai-api-gateway/store"
)

// A backup is a tar archive of gateway.db and the day files, all as they were at
// one moment between two Appends, and last manifest.json, which names them with
// their sums: without it an archive is not whole. The master key is not in it.
const (
	manifestName    = "manifest.json"
	manifestVersion = 1
)

type manifest struct {
	Version int       `json:"version"`
	Schema  uint64    `json:"schema"`
	Time    time.Time `json:"time"`
	Files   []file    `json:"files"`
}

type file struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Backup writes an archive of the store to w, at one moment of it, while others go
// on to read and write. What was appended before the call is in it.
func (s *Store) Backup(ctx context.Context, w io.Writer, at time.Time) error {
	parts, err := s.freeze()
	if err != nil {
		return fmt.Errorf("cannot back up: %w", err)
	}
	defer func() {
		for _, p := range parts {
			p.close()
		}
	}()
	out := tar.NewWriter(w)
	m := manifest{Version: manifestVersion, Schema: s.opts.schema, Time: at.UTC()}
	for i := range parts {
		if err := ctx.Err(); err != nil {
			return err
		}
		f, err := parts[i].write(out, at)
		if err != nil {
			return fmt.Errorf("cannot back up %s: %w", parts[i].name, err)
		}
		m.Files = append(m.Files, f)
		parts[i].close() // a long transaction keeps its file from giving pages free
	}
	b, err := json.MarshalIndent(m, "", " ")
	if err == nil {
		err = out.WriteHeader(&tar.Header{Name: manifestName, Mode: 0o600, Size: int64(len(b)), ModTime: at})
	}
	if err == nil {
		_, err = out.Write(b)
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("cannot back up: %w", err)
	}
	return nil
}

// A part is one file of a backup, held at a moment.
type part struct {
	name string
	tx   *bbolt.Tx
	done func()
}

func (p *part) close() {
	if p.tx != nil {
		_ = p.tx.Rollback() // of reading
		p.tx = nil
		p.done()
	}
}

func (p *part) write(out *tar.Writer, at time.Time) (file, error) {
	size := p.tx.Size()
	if err := out.WriteHeader(&tar.Header{Name: p.name, Mode: 0o600, Size: size, ModTime: at}); err != nil {
		return file{}, err
	}
	sum := sha256.New()
	n, err := p.tx.WriteTo(io.MultiWriter(out, sum))
	if err == nil && n != size {
		err = fmt.Errorf("%d bytes instead of %d", n, size)
	}
	return file{p.name, size, hex.EncodeToString(sum.Sum(nil))}, err
}

// freeze begins a transaction over every file between two Appends: those that are
// written to come first, so that theirs are short.
func (s *Store) freeze() (parts []part, err error) {
	s.append.Lock()
	defer s.append.Unlock()
	defer func() {
		if err != nil {
			for i := range parts {
				parts[i].close()
			}
		}
	}()
	tx, err := s.db.Begin(false)
	if err != nil {
		return nil, err
	}
	parts = append(parts, part{"gateway.db", tx, func() {}})
	for _, day := range s.days.newestFirst() {
		f, err := s.days.acquire(day, false)
		if errors.Is(err, errNoDay) {
			continue
		}
		if err != nil {
			return parts, err
		}
		tx, err := f.db.Begin(false)
		if err != nil {
			s.days.release(f)
			return parts, err
		}
		parts = append(parts, part{"usage/" + day + ".db", tx, func() { s.days.release(f) }})
	}
	return parts, nil
}

// Restore puts the archive in r into dir, which must hold no store. It writes beside
// and renames when all is there and as the manifest says: a restore that fails
// leaves nothing. It returns the moment of the backup.
func Restore(ctx context.Context, r io.Reader, dir string) (at time.Time, err error) {
	if _, err := os.Stat(filepath.Join(dir, "gateway.db")); !errors.Is(err, fs.ErrNotExist) {
		return at, fmt.Errorf("cannot restore: %s holds a store already: %w", dir, store.ErrConflict)
	}
	if err := os.MkdirAll(filepath.Join(dir, "usage"), 0o700); err != nil {
		return at, fmt.Errorf("cannot restore: %w", err)
	}
	draft, err := os.MkdirTemp(dir, ".restore-")
	if err != nil {
		return at, fmt.Errorf("cannot restore: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(draft)) }()
	m, err := unpack(ctx, tar.NewReader(r), func(name string) (io.WriteCloser, error) {
		f, err := os.OpenFile(filepath.Join(draft, filepath.Base(name)), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		return synced{f}, err
	})
	if err != nil {
		return at, fmt.Errorf("cannot restore: %w", err)
	}
	// gateway.db comes last: with it the store is there.
	slices.Reverse(m.Files)
	for _, f := range m.Files {
		if err := os.Rename(filepath.Join(draft, filepath.Base(f.Name)), filepath.Join(dir, filepath.FromSlash(f.Name))); err != nil {
			return at, fmt.Errorf("cannot restore: %w", err)
		}
	}
	return m.Time, syncTree(dir)
}

// CheckBackup reads an archive and says whether it is whole.
func CheckBackup(ctx context.Context, r io.Reader) error {
	_, err := unpack(ctx, tar.NewReader(r), func(string) (io.WriteCloser, error) { return nowhere{io.Discard}, nil })
	return err
}

// nowhere takes what is written and keeps none of it.
type nowhere struct{ io.Writer }

func (nowhere) Close() error { return nil }

// synced is a file that is durable once it is closed.
type synced struct{ *os.File }

func (f synced) Close() error { return errors.Join(f.Sync(), f.File.Close()) }

// unpack writes the files of an archive to where create says, and checks them.
func unpack(ctx context.Context, in *tar.Reader, create func(name string) (io.WriteCloser, error)) (m manifest, err error) {
	sums := map[string]file{}
	for {
		if err := ctx.Err(); err != nil {
			return m, err
		}
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return m, errors.New("the archive is cut short: it has no manifest")
		}
		if err != nil {
			return m, fmt.Errorf("the archive cannot be read: %w", err)
		}
		if h.Name == manifestName {
			b, err := io.ReadAll(io.LimitReader(in, 16<<20))
			if err != nil || json.Unmarshal(b, &m) != nil {
				return m, fmt.Errorf("the manifest cannot be read (%v)", err)
			}
			return m, m.check(sums)
		}
		if !partName(h.Name) || h.Typeflag != tar.TypeReg {
			return m, fmt.Errorf("the archive holds %q, which is no part of a store", store.CleanText(h.Name, 100))
		}
		if _, twice := sums[h.Name]; twice {
			return m, fmt.Errorf("the archive holds %s twice", h.Name)
		}
		out, err := create(h.Name)
		if err != nil {
			return m, fmt.Errorf("cannot write %s: %w", h.Name, err)
		}
		sum := sha256.New()
		n, err := io.Copy(io.MultiWriter(out, sum), in)
		if err = errors.Join(err, out.Close()); err != nil {
			return m, fmt.Errorf("cannot write %s: %w", h.Name, err)
		}
		sums[h.Name] = file{h.Name, n, hex.EncodeToString(sum.Sum(nil))}
	}
}

// check compares the files that came with those that the manifest names.
func (m *manifest) check(came map[string]file) error {
	switch {
	case m.Version != manifestVersion || m.Schema > schema:
		return fmt.Errorf("the backup is of version %d, schema %d: %w", m.Version, m.Schema, store.ErrNewer)
	case len(m.Files) != len(came) || len(m.Files) == 0 || m.Files[0].Name != "gateway.db":
		return fmt.Errorf("the archive holds %d files, its manifest names %d", len(came), len(m.Files))
	}
	for _, f := range m.Files {
		if came[f.Name] != f {
			return fmt.Errorf("%s is not what was backed up: %w", store.CleanText(f.Name, 100), store.ErrCorrupt)
		}
	}
	return nil
}

// partName reports whether a file of that name is part of a store.
func partName(name string) bool {
	day, ok := strings.CutSuffix(strings.TrimPrefix(name, "usage/"), ".db")
	_, err := time.Parse(dayLayout, day)
	return name == "gateway.db" || ok && err == nil && name == "usage/"+day+".db"
}

// syncTree makes the names in dir and its folder of days durable.
func syncTree(dir string) error {
	for _, d := range []string{filepath.Join(dir, "usage"), dir} {
		f, err := os.Open(d)
		if err != nil {
			return fmt.Errorf("cannot restore: %w", err)
		}
		_ = f.Sync() // not all systems sync folders
		if err := f.Close(); err != nil {
			return fmt.Errorf("cannot restore: %w", err)
		}
	}
	return nil
}

// Compact rewrites the files of a store that nobody has open, so that they take no
// more room than what they hold, and returns their sizes before and after.
func Compact(ctx context.Context, dir string) (before, after int64, err error) {
	names, err := filepath.Glob(filepath.Join(dir, "usage", "*.db"))
	if err != nil {
		return 0, 0, err
	}
	for _, path := range append(names, filepath.Join(dir, "gateway.db")) {
		if err := ctx.Err(); err != nil {
			return before, after, err
		}
		was, is, err := compactFile(path)
		if err != nil {
			return before, after, fmt.Errorf("cannot compact %s: %w", path, err)
		}
		before, after = before+was, after+is
	}
	return before, after, nil
}

func compactFile(path string) (before, after int64, err error) {
	src, err := openFile(path, 0)
	if err != nil {
		return 0, 0, err
	}
	tmp := path + ".compact"
	defer func() { err = errors.Join(err, ignoreMissing(os.Remove(tmp))) }()
	const txBytes = 1 << 20 // of one transaction of the copy
	dst, err := bbolt.Open(tmp, 0o600, &bbolt.Options{NoSync: true, FreelistType: bbolt.FreelistMapType})
	if err == nil {
		err = errors.Join(bbolt.Compact(dst, src, txBytes), dst.Sync(), dst.Close())
	}
	if err == nil {
		before, after, err = sizes(path, tmp)
	}
	if err = errors.Join(err, src.Close()); err != nil || after >= before {
		return before, before, err
	}
	return before, after, os.Rename(tmp, path)
}

func sizes(a, b string) (int64, int64, error) {
	x, err := os.Stat(a)
	if err != nil {
		return 0, 0, err
	}
	y, err := os.Stat(b)
	if err != nil {
		return 0, 0, err
	}
	return x.Size(), y.Size(), nil
}
