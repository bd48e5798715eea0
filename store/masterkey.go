package store

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Where a master key is looked for when no file is named.
const (
	MasterKeyEnv  = "AI_GATEWAY_MASTER_KEY"
	MasterKeyFile = "master.key" // in the data directory
)

// ErrNoMasterKey says that there is no master key and none was to be made.
var ErrNoMasterKey = errors.New("no master key")

// LoadMasterKey finds the master key: the file path if not "", else env (the value
// of AI_GATEWAY_MASTER_KEY) if not "", else master.key in dataDir. If that file is
// missing it is made, mode 0600 in a directory of mode 0700, if create is set;
// otherwise the error wraps ErrNoMasterKey. source names the place for messages
// (and stays set on errors); created asks for the advice to keep a copy apart.
// A file that others may read is refused. Text is 32 bytes in base64 or hex.
func LoadMasterKey(path, env, dataDir string, create bool) (key []byte, source string, created bool, err error) {
	if path != "" {
		key, err = readMasterKey(path)
		return key, path, false, err
	}
	if env != "" {
		key, err = parseMasterKey(env)
		if err != nil {
			err = fmt.Errorf("cannot read master key from %s: %w", MasterKeyEnv, err)
		}
		return key, MasterKeyEnv, false, err
	}
	path = filepath.Join(dataDir, MasterKeyFile)
	key, err = readMasterKey(path)
	if !errors.Is(err, ErrNoMasterKey) || !create {
		return key, path, false, err
	}
	key, created, err = makeMasterKey(path)
	return key, path, created, err
}

func readMasterKey(path string) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot read master key %s: %w", path, ErrNoMasterKey)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read master key: %w", err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("cannot read master key: %w", err)
	}
	if mode := fi.Mode().Perm(); runtime.GOOS != "windows" && mode&0o077 != 0 {
		return nil, fmt.Errorf("cannot use master key %s: its mode is %04o, so others may read it: chmod 600 it", path, mode)
	}
	b, err := io.ReadAll(io.LimitReader(f, 1024))
	if err != nil {
		return nil, fmt.Errorf("cannot read master key: %w", err)
	}
	key, err := parseMasterKey(string(b))
	if err != nil {
		return nil, fmt.Errorf("cannot use master key %s: %w", path, err)
	}
	return key, nil
}

// parseMasterKey reads 32 bytes in hex or in base64, of either alphabet, padded or not.
func parseMasterKey(s string) ([]byte, error) {
	s = strings.TrimSpace(s)
	if b, err := hex.DecodeString(s); err == nil && len(b) == MasterKeyLen {
		return b, nil
	}
	s = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(s, "="))
	if b, err := base64.RawStdEncoding.DecodeString(s); err == nil && len(b) == MasterKeyLen {
		return b, nil
	}
	return nil, fmt.Errorf("it is not %d bytes in base64 or hex", MasterKeyLen)
}

// MakeMasterKey writes a new master key to path, mode 0600; a file that is there is
// an error, but for one that a rotation left behind unused.
func MakeMasterKey(path string) ([]byte, error) {
	key, created, err := makeMasterKey(path)
	if err == nil && !created && !strings.HasSuffix(path, ".new") {
		return nil, fmt.Errorf("cannot make master key: %s exists", path)
	}
	return key, err
}

// makeMasterKey writes a new key whole or not at all. If another process made one
// meanwhile, that one is returned.
func makeMasterKey(path string) (key []byte, created bool, err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, false, fmt.Errorf("cannot make directory of master key: %w", err)
	}
	key = make([]byte, MasterKeyLen)
	if _, err := rand.Read(key); err != nil {
		return nil, false, fmt.Errorf("cannot make master key: %w", err)
	}
	f, err := os.CreateTemp(dir, ".master.key-*") // 0600
	if err != nil {
		return nil, false, fmt.Errorf("cannot make master key: %w", err)
	}
	_, err = f.Write(append(base64.StdEncoding.AppendEncode(nil, key), '\n'))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = place(f.Name(), path)
	}
	if rm := os.Remove(f.Name()); !errors.Is(rm, fs.ErrNotExist) {
		err = errors.Join(err, rm)
	}
	if errors.Is(err, fs.ErrExist) {
		key, err = readMasterKey(path)
		return key, false, err
	}
	if err != nil {
		return nil, false, fmt.Errorf("cannot make master key: %w", err)
	}
	if err := syncDir(dir); err != nil {
		return nil, false, fmt.Errorf("cannot make master key: %w", err)
	}
	return key, true, nil
}

// place gives the file tmp the name path, unless that exists: by a link, which
// fails then, or where the file system knows no links by a rename.
func place(tmp, path string) error {
	err := os.Link(tmp, path)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(fs.ErrExist, err)
	}
	return os.Rename(tmp, path)
}

// syncDir makes a new name in dir durable; Windows has no such call.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
