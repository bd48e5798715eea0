//go:build unix

package ledger

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/store"
	"github.com/your-org/ai-api-gateway/store/bolt"
)

func long() bool { return os.Getenv("AI_GATEWAY_LONG") == "1" }

// runChild runs a child and kills it a while after its first acknowledgement, or
// after its start. It returns the ids it acknowledged.
func runChild(t *testing.T, after time.Duration, fromStart bool, env ...string) []string {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := func() { _ = cmd.Process.Kill() }
	if fromStart {
		time.AfterFunc(after, kill)
	}
	guard := time.AfterFunc(60*time.Second, kill)
	defer guard.Stop()
	var acked []string
	for r := bufio.NewReader(out); ; {
		line, err := r.ReadString('\n')
		if err != nil { // the last line without its end was not acknowledged
			break
		}
		if acked = append(acked, strings.TrimSuffix(line, "\n")); len(acked) == 1 && !fromStart {
			time.AfterFunc(after, kill)
		}
	}
	_ = cmd.Wait()
	if stderr.Len() > 0 {
		t.Fatalf("the child complained: %s", stderr.String())
	}
	if len(acked) == 0 && !fromStart {
		t.Fatal("the child acknowledged nothing")
	}
	return acked
}

// P1: kill -9 under load, again and again on the same data; every request that
// was acknowledged has exactly one row, and so has each that was only held; after
// each kill the ledger adds up.
func TestKill(t *testing.T) {
	loops := 10
	if long() {
		loops = 500
	}
	const each = 25 // kills on the same data
	var sum killed
	for left := loops; left > 0; left -= each {
		sum.add(killAgainAndAgain(t, t.TempDir(), min(left, each)))
	}
	t.Logf("%d kills: %d acknowledged, %d rows, %d of them crash rows; %d proofs of the ledger", loops, sum.acked, sum.rows, sum.crashed, sum.proofs)
}

type killed struct{ acked, rows, crashed, proofs int }

func (k *killed) add(o killed) {
	k.acked, k.rows, k.crashed, k.proofs = k.acked+o.acked, k.rows+o.rows, k.crashed+o.crashed, k.proofs+o.proofs
}

func killAgainAndAgain(t *testing.T, dir string, loops int) (sum killed) {
	var acked []string
	for i := range loops {
		fromStart := i%4 == 3 // some die while they recover
		after := time.Duration(20+rand.IntN(250)) * time.Millisecond
		acked = append(acked, runChild(t, after, fromStart, childDir+"="+dir)...)
		if !fromStart { // what a death leaves and the next start completes adds up each time
			proveLedger(t, dir, i)
			sum.proofs++
		}
	}
	s, err := bolt.Open(context.Background(), filepath.Join(dir, "store"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	l := open(t, options(filepath.Join(dir, "wal"), s))
	defer closeLedger(t, l)
	if st := l.Stats(); st.ForeignBoots != 0 || st.ApplyError != "" {
		t.Fatalf("not all was recovered: %+v", st)
	}
	all := map[string]int{}
	crashed, spent := 0, 0
	var first int64 // what the account has cost that only failed attempts went to
	for q := (store.UsageQuery{Limit: 1000}); ; {
		page, err := s.Usage(context.Background(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range page.Rows {
			all[row.RequestID]++
			if row.EndReason == store.EndCrash {
				crashed++
			}
			for _, a := range row.Attempts {
				if a.Spent != nil {
					spent++
					first += a.CostNano
				}
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	for id, n := range all {
		if n != 1 {
			t.Errorf("request %s has %d rows", id, n)
		}
	}
	for _, id := range acked {
		if all[id] != 1 {
			t.Errorf("acknowledged %s has %d rows", id, all[id])
		}
	}
	totals, err := s.Totals(context.Background(), store.TotalsQuery{Since: time.Now().Add(-48 * time.Hour), Until: time.Now().Add(time.Hour)})
	if err != nil || len(totals) != 1 || totals[0].Requests != int64(len(all)) {
		t.Errorf("roll-ups say %+v (%v), rows are %d", totals, err, len(all))
	}
	totals, err = s.Totals(context.Background(), store.TotalsQuery{Account: "first"})
	if err != nil || spent == 0 || len(totals) != 1 || totals[0].Requests != 0 || totals[0].CostNano != first {
		t.Errorf("the account of failed attempts has %+v (%v), %d attempts cost %d", totals, err, spent, first)
	}
	sum.acked, sum.rows, sum.crashed = len(acked), len(all), crashed
	return sum
}

// proveLedger starts and ends a ledger on dir and verifies every sum in its store.
func proveLedger(t *testing.T, dir string, loop int) {
	t.Helper()
	s, err := bolt.Open(context.Background(), filepath.Join(dir, "store"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	closeLedger(t, open(t, options(filepath.Join(dir, "wal"), s)))
	v, err := s.Verify(context.Background())
	if err != nil || v.Fault != "" {
		t.Errorf("after kill %d: %+v, %v", loop+1, v, err)
	}
}

// shared returns the folder of shared tools, "" if there is none.
func shared(t *testing.T) string {
	if dir := os.Getenv("AI_GATEWAY_SHARED"); dir != "" {
		return dir
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			if dir = filepath.Join(filepath.Dir(dir), "shared"); exists(dir) {
				return dir
			}
			return ""
		}
	}
	return ""
}

func exists(path string) bool { _, err := os.Stat(path); return !errors.Is(err, fs.ErrNotExist) }

// cannot skips the test loudly, or fails it where it must run.
func cannot(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("POWER LOSS IS NOT TESTED: %s", why)
	}
	t.Skipf("POWER LOSS IS NOT TESTED: %s", why)
}

// A lossy is a mounted file system that forgets what was not synced.
type lossy struct {
	mount string
	cmd   *exec.Cmd
	lines chan string
}

func mountLossy(t *testing.T) *lossy {
	t.Helper()
	src := filepath.Join(shared(t), "faults", "lossyfs")
	switch {
	case runtime.GOOS != "linux":
		cannot(t, "the lossy file system needs Linux")
	case shared(t) == "" || !exists(src):
		cannot(t, "the lossy file system's source is not at "+src+" (AI_GATEWAY_SHARED)")
	case !exists("/dev/fuse"):
		cannot(t, "/dev/fuse is absent")
	}
	work := t.TempDir()
	for _, name := range []string{"main.go", "go.mod", "go.sum"} {
		b, err := os.ReadFile(filepath.Join(src, name))
		if err != nil {
			t.Fatal(err)
		}
		// Mount without the set-uid program, which containers often lack.
		b = bytes.Replace(b, []byte(`Name: "lossy"}`), []byte(`Name: "lossy", DirectMount: true}`), 1)
		if err := os.WriteFile(filepath.Join(work, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("go", "build", "-o", "lossyfs", ".")
	build.Dir = work
	if out, err := build.CombinedOutput(); err != nil {
		cannot(t, fmt.Sprintf("the lossy file system does not build: %v\n%s", err, out))
	}
	l := &lossy{mount: filepath.Join(work, "mnt"), lines: make(chan string, 1<<16)}
	if err := os.Mkdir(l.mount, 0o700); err != nil {
		t.Fatal(err)
	}
	l.cmd = exec.Command(filepath.Join(work, "lossyfs"), l.mount)
	l.cmd.Env = append(os.Environ(), "TORN=1")
	out, in := io.Pipe()
	l.cmd.Stdout, l.cmd.Stderr = in, in
	if err := l.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = l.cmd.Wait()
		_ = in.Close()
		close(ended)
	}()
	read := make(chan struct{})
	go func() {
		defer close(read)
		for sc := bufio.NewScanner(out); sc.Scan(); {
			select {
			case l.lines <- sc.Text():
			default:
			}
		}
	}()
	t.Cleanup(func() {
		_ = exec.Command("umount", "-l", l.mount).Run()
		_ = l.cmd.Process.Kill()
		<-ended
		<-read
	})
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		mounts, _ := os.ReadFile("/proc/self/mounts")
		if bytes.Contains(mounts, []byte(l.mount)) {
			break
		}
		select {
		case <-ended:
			cannot(t, "the lossy file system does not mount: "+l.said())
		default:
		}
		if time.Now().After(deadline) {
			cannot(t, "the lossy file system does not mount within 5 s: "+l.said())
		}
	}
	return l
}

// said returns what the file system has printed since the last call, after it has
// been silent for a while.
func (l *lossy) said() string {
	var b strings.Builder
	for {
		select {
		case line := <-l.lines:
			b.WriteString(line + "\n")
		case <-time.After(300 * time.Millisecond):
			return b.String()
		}
	}
}

// lose cuts the power. Nobody may be using the file system.
func (l *lossy) lose(t *testing.T) {
	t.Helper()
	l.said()
	if err := l.cmd.Process.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	said := ""
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(said, "powerloss"); { // a busy machine is slow to say so
		if said += l.said(); time.Now().After(deadline) {
			t.Fatalf("no power was lost: %q", said)
		}
	}
}

// lossRound runs a child on the lossy file system, cuts the power, recovers, and
// returns how many requests were acknowledged and how many of those are lost.
func lossRound(t *testing.T, l *lossy, noSync string) (acked, lost int) {
	t.Helper()
	dir := t.TempDir()
	ids := runChild(t, time.Duration(100+rand.IntN(400))*time.Millisecond, false,
		childDir+"="+dir, childMount+"="+l.mount, childNoSync+"="+noSync)
	l.lose(t)
	s := newMemStore()
	recoverInto(t, filepath.Join(dir, "wal"), s)
	for _, id := range ids {
		rows := s.rows[id]
		if len(rows) > 1 {
			t.Errorf("acknowledged %s has %d rows", id, len(rows))
		}
		if len(rows) != 1 || rows[0].EndReason != store.EndComplete {
			lost++
		}
	}
	for id, rows := range s.rows {
		if len(rows) != 1 {
			t.Errorf("request %s has %d rows", id, len(rows))
		}
	}
	return len(ids), lost
}

// P2: power is lost, with torn pages; every acknowledged request has its row. The
// control, which does not sync, must lose some: else nothing was tested.
func TestPowerLoss(t *testing.T) {
	l := mountLossy(t)
	losses := 3
	if long() {
		losses = 30
	}
	total := 0
	for i := range losses {
		acked, lost := lossRound(t, l, "0")
		if lost > 0 {
			t.Errorf("loss %d: %d of %d acknowledged requests have no row", i, lost, acked)
		}
		total += acked
	}
	acked, lost := lossRound(t, l, "1")
	if lost == 0 {
		t.Errorf("the control without fdatasync lost none of %d: this test proves nothing", acked)
	}
	t.Logf("%d power losses: %d acknowledged, none lost; control: %d of %d lost", losses, total, lost, acked)
}
