//go:build !unix

package server

// asked is not known here: a request that has just come is lost with its connection.
func (c *conn) asked() bool { return false }
