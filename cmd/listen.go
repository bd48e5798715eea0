package cmd

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/your-org/ai-api-gateway/server"
	"github.com/your-org/ai-api-gateway/server/config"
)

// A door is an open listener and what is served behind it.
type door struct {
	ln    net.Listener
	plane server.Plane
}

// doors are all listeners of callers.
type doors struct {
	open      []door
	inherited bool // from the process that started this one: a successor may accept on them already
	tls       *certificate
}

// openDoors opens all addresses or none. Sockets that the service manager hands
// over (LISTEN_FDS) are taken in place of the configured ones.
func openDoors(cfg *config.Config, log *slog.Logger) (doors, error) {
	var d doors
	relay := server.PlaneAll
	if cfg.AdminListen != "" {
		relay = server.PlaneRelay
	}
	lns, names, err := inheritedSockets(os.Getpid(), os.Getenv)
	if err != nil {
		return d, err
	}
	d.inherited = len(lns) > 0
	if !d.inherited {
		if lns, err = listen(cfg.Listen); err != nil {
			return d, err
		}
	}
	adminOpen := false
	for i, ln := range lns {
		plane := relay
		if d.inherited && names[i] == "admin" {
			plane, adminOpen = server.PlaneAdmin, true
		}
		d.open = append(d.open, door{ln, plane})
	}
	if cfg.AdminListen != "" && !adminOpen {
		ln, err := net.Listen("tcp", cfg.AdminListen)
		if err != nil {
			d.close()
			return d, errorf("cannot listen for the admin API: %w", err)
		}
		d.open = append(d.open, door{ln, server.PlaneAdmin})
	}
	if cfg.TLS.Cert == "" {
		return d, nil
	}
	if d.tls, err = loadCertificate(cfg.TLS.Cert, cfg.TLS.Key, cfg.TLS.ClientCA, log); err != nil {
		d.close()
		return d, &exitError{exitConfig, err}
	}
	for i := range d.open {
		d.open[i].ln = d.tls.listener(d.open[i].ln)
	}
	// The command line cannot check a certificate made for another name, nor show
	// one of its own: it gets a way in that no network sees.
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		d.close()
		return d, errorf("cannot listen for the local command line: %w", err)
	}
	d.open = append(d.open, door{ln, server.PlaneLocal})
	return d, nil
}

func (d *doors) close() {
	for _, o := range d.open {
		_ = o.ln.Close()
	}
}

// url is how the command line of this machine reaches the gateway. Where planes
// have addresses of their own that is the admin API's.
func (d *doors) url() string {
	at := d.open[0]
	for _, o := range d.open[1:] {
		if o.plane == server.PlaneAdmin && at.plane != server.PlaneLocal || o.plane == server.PlaneLocal {
			at = o
		}
	}
	return "http://" + dialled(at.ln.Addr())
}

// dialled returns the address by which this machine reaches a listener: one that
// listens everywhere is reached by loopback.
func dialled(a net.Addr) string {
	t, ok := a.(*net.TCPAddr)
	if ok && t.IP.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", strconv.Itoa(t.Port))
	}
	return a.String()
}

// listen opens all addresses or none. [::1] is optional: machines without IPv6 have none.
func listen(addrs []string) ([]net.Listener, error) {
	var lns []net.Listener
	for i, addr := range addrs {
		ln, err := net.Listen("tcp", addr)
		if err != nil && i > 0 && strings.HasPrefix(addr, "[::1]:") && !errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			for _, l := range lns {
				_ = l.Close()
			}
			if errors.Is(err, syscall.EADDRINUSE) {
				return nil, &hintError{err: errorf("cannot listen on %s: the address is in use", addr), hint: phrase("Is a gateway running already (ai-gateway health)? Choose another address:"), next: "ai-gateway serve --listen 127.0.0.1:8081"}
			}
			return nil, errorf("cannot listen: %w", err)
		}
		lns = append(lns, ln)
	}
	if len(lns) == 0 {
		return nil, &exitError{exitConfig, errorf("no address to listen on")}
	}
	return lns, nil
}

// firstSocket is the descriptor of the first socket handed over, and maxSockets
// bounds their number (sd_listen_fds(3)).
const (
	firstSocket = 3
	maxSockets  = 16
)

// inheritedSockets returns the listeners that the service manager opened for this
// process and their names, as sd_listen_fds(3) says; none if it opened none.
func inheritedSockets(pid int, getenv func(string) string) ([]net.Listener, []string, error) {
	if getenv("LISTEN_PID") != strconv.Itoa(pid) {
		return nil, nil, nil
	}
	n, err := strconv.Atoi(getenv("LISTEN_FDS"))
	if err != nil || n < 0 || n > maxSockets {
		return nil, nil, &exitError{exitConfig, errorf("cannot take the sockets handed over: LISTEN_FDS is %q", getenv("LISTEN_FDS"))}
	}
	given := strings.Split(getenv("LISTEN_FDNAMES"), ":")
	lns, names := make([]net.Listener, 0, n), make([]string, n)
	for i := range n {
		f := os.NewFile(uintptr(firstSocket+i), "socket")
		ln, err := net.FileListener(f) // a copy of the descriptor
		_ = f.Close()
		if err != nil {
			return nil, nil, &exitError{exitConfig, errorf("cannot take socket %d handed over: %w", firstSocket+i, err)}
		}
		if u, ok := ln.(*net.UnixListener); ok {
			u.SetUnlinkOnClose(false) // it is the manager's
		}
		lns = append(lns, ln)
		if i < len(given) {
			names[i] = given[i]
		}
	}
	return lns, names, nil
}

// notifySystemd tells the service manager about the state of this process
// (sd_notify(3)); without one it does nothing.
func notifySystemd(state string) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return
	}
	c, err := net.Dial("unixgram", path) // '@' means an abstract name, to Go as to systemd
	if err != nil {
		return
	}
	defer c.Close()
	_, _ = c.Write([]byte(state))
}

// watchdog tells the service manager that this process lives, at half the time it asks for.
func watchdog(ctx context.Context) {
	us, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	if err != nil || us <= 0 || os.Getenv("WATCHDOG_PID") != "" && os.Getenv("WATCHDOG_PID") != strconv.Itoa(os.Getpid()) {
		return
	}
	tick := time.NewTicker(max(time.Duration(us)*time.Microsecond/2, 10*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			notifySystemd("WATCHDOG=1")
		}
	}
}

// accepting runs the loop of a listener and tells failed how it ended. A panic in it
// ends the gateway as a failure of the listener does: drained, settled and closed.
func accepting(failed chan<- error, serve func() error) {
	defer func() {
		if v := recover(); v != nil {
			failed <- errorf("panic while accepting: %v", v)
		}
	}()
	if err := serve(); err != nil {
		failed <- err
	}
}

// serveMetrics opens /metrics on a listener of its own.
func serveMetrics(addr string, s *server.Server, failed chan<- error) (stop func(), err error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, errorf("cannot listen for metrics: %w", err)
	}
	srv := &fasthttp.Server{Handler: s.MetricsHandler, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, Concurrency: 64, NoDefaultServerHeader: true, CloseOnShutdown: true}
	go accepting(failed, func() error { return srv.Serve(ln) })
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = srv.ShutdownWithContext(ctx)
	}, nil
}
