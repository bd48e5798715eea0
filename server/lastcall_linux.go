package server

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// lastCallFor bounds how long a lastCall waits.
const lastCallFor = 500 * time.Millisecond

// lastCall waits for a moment in which nothing is in the queue of ln, which is to be
// closed then, at once. Closing a socket resets what is in its queue, though the peer
// has had its connection confirmed and may have sent a request; and on a busy machine
// connections wait there for milliseconds. ln may be anything; where it is no TCP
// socket, such as under TLS, nothing is waited for.
func lastCall(ln net.Listener) {
	sc, ok := ln.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return
	}
	for end := time.Now().Add(lastCallFor); time.Now().Before(end); time.Sleep(time.Millisecond) {
		waiting := uint32(0)
		_ = raw.Control(func(fd uintptr) {
			if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
				waiting = info.Unacked // of a socket that listens: the length of its queue
			}
		})
		if waiting == 0 {
			return
		}
	}
}
