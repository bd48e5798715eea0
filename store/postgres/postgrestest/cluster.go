//go:build unix

// Package postgrestest starts a Postgres server for tests, in a folder of its own.
package postgrestest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// A Server is a running server with trust for all local connections.
type Server struct {
	dir, bin string
	port     int
	as       *syscall.Credential // who runs it: not root
	cmd      *exec.Cmd
	made     atomic.Int64
}

// Start starts a server that ends with the test. Without the server's programs the
// test is skipped, but fails where CI says that they must be there.
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	s, err := Launch(settings...)
	if s == nil {
		if os.Getenv("CI") != "" {
			t.Fatal("postgres is missing: apt-get install postgresql-15")
		}
		t.Skip("postgres is missing: apt-get install postgresql-15")
	}
	t.Cleanup(s.Remove)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Launch is Start for a TestMain: s is nil if there is no Postgres here. The caller
// ends it with Remove.
func Launch(settings ...string) (s *Server, err error) {
	s = &Server{bin: binaries()}
	if s.bin == "" {
		return nil, nil
	}
	if os.Getuid() == 0 {
		if s.as, err = other(); err != nil {
			return s, err
		}
	}
	// Sockets have short paths, so the folder is not one of the test's own.
	if s.dir, err = os.MkdirTemp("", "aigw-pg-"); err != nil {
		return s, err
	}
	if err := s.own(); err != nil {
		return s, err
	}
	data := filepath.Join(s.dir, "data")
	out, err := s.command("initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8").CombinedOutput()
	if err != nil {
		return s, fmt.Errorf("initdb: %w: %s", err, out)
	}
	if s.port, err = freePort(); err != nil {
		return s, err
	}
	conf := append([]string{"listen_addresses = '127.0.0.1'", "unix_socket_directories = ''", "fsync = off", "full_page_writes = off", "shared_buffers = 128MB", "max_wal_size = 4GB"}, settings...)
	f, err := os.OpenFile(filepath.Join(data, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return s, err
	}
	_, err = f.WriteString("\nport = " + strconv.Itoa(s.port) + "\n" + strings.Join(conf, "\n") + "\n")
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return s, err
	}
	return s, s.Run()
}

// binaries returns the folder of the server's programs, "" if there is none.
func binaries() string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) > 0 {
		return filepath.Dir(found[len(found)-1])
	}
	if path, err := exec.LookPath("postgres"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			return filepath.Dir(path)
		}
	}
	return ""
}

// other finds an account that is not root's, since the server refuses to run as root.
func other() (*syscall.Credential, error) {
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			uid, _ := strconv.Atoi(u.Uid)
			gid, _ := strconv.Atoi(u.Gid)
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, fmt.Errorf("no account but root's to run postgres as")
}

func (s *Server) own() error {
	if s.as == nil {
		return nil
	}
	return os.Chown(s.dir, int(s.as.Uid), int(s.as.Gid))
}

func (s *Server) command(name string, args ...string) *exec.Cmd {
	c := exec.Command(filepath.Join(s.bin, name), args...)
	c.Dir = s.dir
	c.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	c.SysProcAttr = &syscall.SysProcAttr{Credential: s.as, Setpgid: true}
	return c
}

// freePort returns a port that no kernel hands out by itself, so that nobody else gets
// it before the server does, or while it is away.
func freePort() (port int, err error) {
	for range 100 {
		port = 10_000 + rand.IntN(20_000)
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			return port, l.Close()
		}
	}
	return 0, err
}

// Run starts the server, again after Kill or Stop.
func (s *Server) Run() error {
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	s.cmd = s.command("postgres", "-D", filepath.Join(s.dir, "data"))
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		return err
	}
	for until := time.Now().Add(60 * time.Second); time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		if err = s.Exec("SELECT 1"); err == nil {
			return nil
		}
	}
	b, _ := os.ReadFile(filepath.Join(s.dir, "log"))
	return fmt.Errorf("postgres does not answer: %w\n%s", err, b[max(0, len(b)-2000):])
}

// signal sends sig to the server, or with all to each of its processes.
func (s *Server) signal(sig syscall.Signal, all bool) {
	pid := s.cmd.Process.Pid
	if all {
		for _, child := range children(pid) {
			_ = syscall.Kill(child, sig)
		}
	}
	_ = syscall.Kill(pid, sig)
}

// children lists the processes whose parent is pid.
func children(pid int) (out []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(b), ") ")
		fields := strings.Fields(rest)
		if len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			child, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			out = append(out, child)
		}
	}
	return out
}

// Kill ends the server as a crash would.
func (s *Server) Kill() {
	s.signal(syscall.SIGKILL, true)
	_ = s.cmd.Wait()
}

// Hang stops all of the server's processes, so that connections stay and nothing
// answers; Resume lets them go on.
func (s *Server) Hang()   { s.signal(syscall.SIGSTOP, true) }
func (s *Server) Resume() { s.signal(syscall.SIGCONT, true) }

// Remove ends the server and removes its folder.
func (s *Server) Remove() {
	if s.cmd != nil && s.cmd.ProcessState == nil {
		s.signal(syscall.SIGCONT, true)
		s.Kill()
	}
	if s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
}

// URL is the address of a database of the server.
func (s *Server) URL(database string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", s.port, url.PathEscape(database))
}

// Addr is the server's host and port.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// Exec runs statements in the database postgres, each by itself.
func (s *Server) Exec(statements ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	for _, sql := range statements {
		if _, err := c.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// Database makes an empty database and returns its address.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test%d", s.made.Add(1))
	if err := s.Exec("CREATE DATABASE " + name); err != nil {
		t.Fatal(err)
	}
	return s.URL(name)
}
