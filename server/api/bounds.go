package api

import (
	"slices"
	"strings"
)

// Bounds of what an account and a key may hold, for who makes them of something larger.
const (
	MaxAccountKeys   = 100
	MaxAccountModels = 1000
	MaxKeyModels     = 500
	MaxKeyNetworks   = 256
)

// ownHeaders are those that the gateway sets itself: the connection's, and credentials.
var ownHeaders = []string{
	"connection", "content-length", "content-encoding", "content-type", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "expect",
	"accept-encoding", "via", "forwarded", "authorization", "proxy-authorization", "proxy-connection", "proxy-authenticate",
	"x-api-key", "api-key", "x-goog-api-key", "cookie", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256",
}

// OwnHeader reports whether the gateway sets a header itself, so that no account may.
func OwnHeader(name string) bool {
	low := strings.ToLower(name)
	return slices.Contains(ownHeaders, low) || strings.HasPrefix(low, "x-forwarded-") || strings.HasPrefix(low, "x-gateway-")
}

// OwnMember reports whether the gateway decides a member of requests itself, since
// prices and limits depend on it, so that no account's params may.
func OwnMember(name string) bool {
	return slices.Contains([]string{"model", "messages", "input", "stream"}, name)
}
