package relay

import (
	"net"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// hangups watches the callers of all requests that wait for an upstream, with
// one epoll set and one goroutine. A caller who closes his connection, or his
// half of it, is gone.
type hangups struct {
	ep       int
	wake     int // eventfd that ends the loop
	mu       sync.Mutex
	byFD     map[int32]*exchange
	done     chan struct{}
	panicked func(where string, v any)
}

// newHangups starts the watcher; nil when the kernel refuses, and then the next write finds out.
func newHangups(panicked func(where string, v any)) *hangups {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		_ = unix.Close(ep)
		return nil
	}
	h := &hangups{ep: ep, wake: wake, byFD: map[int32]*exchange{}, done: make(chan struct{}), panicked: panicked}
	_ = unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, wake, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(wake)})
	go h.loop()
	return h
}

func (h *hangups) loop() {
	defer close(h.done)
	events := make([]unix.EpollEvent, 128)
	for {
		n, err := unix.EpollWait(h.ep, events, -1)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return
		}
		for _, ev := range events[:n] {
			if int(ev.Fd) == h.wake {
				return
			}
			h.tell(ev.Fd)
		}
	}
}

// tell tells the exchange of a connection that its caller has left. A panic in it
// must not end the watch for all others.
func (h *hangups) tell(fd int32) {
	defer func() {
		if v := recover(); v != nil {
			h.panicked("hang-up watcher", v)
		}
	}()
	h.mu.Lock()
	defer h.mu.Unlock()
	x := h.byFD[fd]
	if x == nil {
		return
	}
	delete(h.byFD, fd)
	_ = unix.EpollCtl(h.ep, unix.EPOLL_CTL_DEL, int(fd), nil)
	x.hangUp() // under the lock: unwatch cannot return, so x cannot be reused, before this
}

func (h *hangups) close() {
	if h == nil {
		return
	}
	_, _ = unix.Write(h.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	<-h.done
	_ = unix.Close(h.wake)
	_ = unix.Close(h.ep)
}

// descriptor returns the file descriptor of c; -1 when it has none of its own (TLS).
func descriptor(c net.Conn) int {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return -1
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return -1
	}
	fd := -1
	_ = raw.Control(func(d uintptr) { fd = int(d) })
	return fd
}

// startWatch begins to watch the caller's connection; once per exchange.
func (x *exchange) startWatch() {
	h := x.r.watch
	if x.watching || h == nil || x.job.Conn == nil {
		x.watching = true
		return
	}
	x.watching = true
	fd := descriptor(x.job.Conn)
	if fd < 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if unix.EpollCtl(h.ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR, Fd: int32(fd)}) == nil {
		h.byFD[int32(fd)] = x
		x.watchFD = int32(fd) + 1
	}
}

// unwatch ends it. After it returns hangUp is not running and will not be called.
func (x *exchange) unwatch() {
	h := x.r.watch
	if x.watchFD == 0 || h == nil {
		return
	}
	fd := x.watchFD - 1
	x.watchFD = 0
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.byFD[fd] == x {
		delete(h.byFD, fd)
		_ = unix.EpollCtl(h.ep, unix.EPOLL_CTL_DEL, int(fd), nil)
	}
}
