package server

import (
	"net"
	"testing"
	"time"
)

// Connections that the kernel has confirmed are accepted before a socket is closed.
func TestLastCall(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	const n = 20
	var peers []net.Conn
	for range n {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte("request")); err != nil {
			t.Fatal(err)
		}
		peers = append(peers, c)
	}
	accepted := make(chan int)
	go func() {
		time.Sleep(50 * time.Millisecond) // a busy machine
		got := 0
		for {
			c, err := ln.Accept()
			if err != nil {
				accepted <- got
				return
			}
			defer c.Close()
			got++
			_, _ = c.Write([]byte("answer"))
		}
	}()
	lastCall(ln)
	_ = ln.Close()
	if got := <-accepted; got != n {
		t.Errorf("%d of %d were accepted", got, n)
	}
	for _, c := range peers {
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		if got, err := c.Read(make([]byte, 16)); err != nil || got != 6 {
			t.Errorf("a peer read %d: %v", got, err)
		}
	}
}
