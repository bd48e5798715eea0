//go:build unix

package server

import (
	"net"
	"testing"
	"time"
)

// TestIdleButAsked: a drain leaves a connection open on which a request has come that
// nobody had the time to read yet.
func TestIdleButAsked(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	caller, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = caller.Close() }()
	nc, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	var set connSet
	c := &conn{Conn: nc, set: &set, patience: patience{time.Minute, time.Minute, time.Minute}}
	if !set.add(c) {
		t.Fatal("not taken")
	}
	c.idle.Store(true)
	if _, err := caller.Write([]byte("GET /")); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); !c.asked(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("what was written does not come")
		}
	}
	now := time.Now()
	for range 3 {
		now = now.Add(time.Hour)
		if left := set.closeIdle(now, time.Minute); left != 1 {
			t.Fatalf("%d connections are left", left)
		}
	}
	if n, err := c.Read(make([]byte, 16)); n != 5 || err != nil {
		t.Errorf("%d %v", n, err)
	}
	if left := set.closeIdle(now, time.Minute); left != 1 { // its time begins anew
		t.Errorf("just after it was read %d are left", left)
	}
	if left := set.closeIdle(now.Add(time.Minute), time.Minute); left != 0 {
		t.Errorf("%d connections are left in the end", left)
	}
}
