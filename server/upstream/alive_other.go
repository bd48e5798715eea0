//go:build !unix

package upstream

import "net"

// A look cannot look without reading here; a stale connection is found out by using it.
type look struct{}

func (*look) of(net.Conn, bool) {}

func alive(*conn) bool { return true }
