package main_test

import (
	be "encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
)

// oldStore unpacks a store that an earlier build wrote (testdata/stores/make).
func oldStore(t *testing.T, archive string) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("tar", "-xzf", archive, "-C", dir).CombinedOutput(); err != nil {
		t.Fatalf("tar: %v %s", err, out)
	}
	return dir
}

var oldStoreEnv = []string{"AI_GATEWAY_ADMIN_KEY=admin-key-of-the-stores-of-the-tests", "AI_GATEWAY_RETENTION_ROWS=0", "AI_GATEWAY_RETENTION_ROLLUPS=0"}

// TestOldStores opens the store of each earlier build: the first that worked, and one
// of every schema since. Its keys, secrets, names and rows are there, and go on.
func TestOldStores(t *testing.T) {
	archives, _ := filepath.Glob("testdata/stores/*.tar.gz")
	if len(archives) < 2 {
		t.Fatalf("only %v", archives)
	}
	for _, archive := range archives {
		t.Run(filepath.Base(archive), func(t *testing.T) {
			dir := oldStore(t, archive)
			g := serve(t, dir, oldStoreEnv)
			key, err := os.ReadFile(filepath.Join(dir, "test-key"))
			if err != nil {
				t.Fatal(err)
			}
			if status, out := g.asks(strings.TrimSpace(string(key)), "alias"); status != 200 {
				t.Errorf("the old key and mapping: %d %s", status, out)
			}
			for command, want := range map[string]string{
				"ai-gateway usage --by key --since 2026-01-01 --json": `"requests":4`,
				"ai-gateway providers list --json":                    "cret\"", // the end of the sealed secret, which had to be opened
				"ai-gateway ledger verify":                            "",
				"ai-gateway logs --json":                              `"api_key_name":"old"`,
			} {
				out, err := g.run(command)
				if err != nil || !strings.Contains(strings.ReplaceAll(out, `": `, `":`), want) {
					t.Errorf("%s: %v, %s is missing in\n%s", command, err, want, out)
				}
			}
			g.stop()
			serve(t, dir, oldStoreEnv) // and once more, after it was written
		})
	}
}

// TestNewerStore has a store that a later build wrote refused, with the way back.
func TestNewerStore(t *testing.T) {
	dir := oldStore(t, "testdata/stores/schema-2.tar.gz")
	db, err := bbolt.Open(filepath.Join(dir, "gateway.db"), 0o600, nil)
	if err == nil {
		err = db.Update(func(tx *bbolt.Tx) error {
			return tx.Bucket([]byte("meta")).Put([]byte("schema"), be.BigEndian.AppendUint64(nil, 1000))
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(dir, "gateway.db"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(binary(t), "ai-gateway"), "serve", "--listen", "127.0.0.1:0", "--data-dir", dir)
	out, _ := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != 78 {
		t.Errorf("exit code %d, want 78", code)
	}
	for _, want := range []string{"schema 1000, this program knows", "start the version that wrote " + dir, "or restore its copy"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is missing in %s", want, out)
		}
	}
	if after, err := os.ReadFile(filepath.Join(dir, "gateway.db")); err != nil || string(after) != string(before) {
		t.Errorf("the newer store was changed: %v", err)
	}
}
