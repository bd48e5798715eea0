package server

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/admin"
	"github.com/your-org/ai-api-gateway/store"
)

// maxCredential bounds what is looked at as a key.
const maxCredential = 512

// auth knows who callers are.
type auth struct {
	keys     *store.KeyIndex
	adminKey [32]byte // hash of AI_GATEWAY_ADMIN_KEY; zero: none
	local    [32]byte // hash of the local CLI's token; zero: none
	peers    [32]byte // hash of what other gateways on the database prove themselves with; zero: none
	boot     string   // what they call this process
	trusted  atomic.Pointer[[]netip.Prefix]
}

// credential finds the caller's key in the carriers the clients use. Several are
// accepted when equal.
func (c *call) credential() ([]byte, *providers.Error) {
	ctx, geminiRoute := c.ctx, c.route.gemini
	var key []byte
	take := func(v []byte) bool {
		if len(v) == 0 {
			return true
		}
		if key != nil && !bytes.Equal(key, v) {
			return false
		}
		key = v
		return true
	}
	if a := c.header(fieldAuthorization); len(a) > 0 {
		v, ok := bearer(a)
		if !ok {
			return nil, unauthorized("the Authorization header must be \"Bearer <key>\"")
		}
		key = v
	}
	for _, x := range [...]field{fieldXAPIKey, fieldAPIKey, fieldXGoogAPIKey} {
		if !take(c.header(x)) {
			return nil, ambiguous()
		}
	}
	if q := c.queryString(); len(q) > 0 {
		args := ctx.QueryArgs()
		if args.Has("api_key") || args.Has("key") && !geminiRoute && !isFilter(ctx.Path(), args.Peek("key")) {
			return nil, refuse(400, "key_in_query", "an API key in the URL is refused here: it would end up in logs. Send it as \"Authorization: Bearer <key>\"")
		}
		if geminiRoute && !take(args.Peek("key")) {
			return nil, ambiguous()
		}
	}
	if len(key) > maxCredential {
		return nil, unauthorized("the API key is not valid")
	}
	return key, nil
}

// isFilter reports whether the parameter "key" is the admin API's filter, the id of
// a key, and not a key.
func isFilter(path, value []byte) bool {
	return bytes.HasPrefix(path, []byte("/v1/admin/")) && len(value) <= 32 && !bytes.HasPrefix(value, []byte("sk-"))
}

func ambiguous() *providers.Error {
	return refuse(400, "ambiguous_credentials", "several different API keys were sent: send one")
}

func bearer(v []byte) ([]byte, bool) {
	const scheme = "bearer "
	if len(v) <= len(scheme) || string(v[:len(scheme)]) != "Bearer " && !bytes.EqualFold(v[:len(scheme)], []byte(scheme)) {
		return nil, false
	}
	return bytes.TrimSpace(v[len(scheme):]), true
}

func unauthorized(msg string) *providers.Error {
	return &providers.Error{Kind: providers.KindAuthentication, Code: "invalid_api_key", NoRetry: true,
		Message: msg + ". `ai-gateway api-key create NAME` makes one"}
}

// who identifies the caller of ctx.
func (a *auth) who(c *call) (*admin.Caller, *providers.Error) {
	if c.plain() && c.head.keyed {
		return a.byHash(c, c.head.key)
	}
	key, err := c.credential()
	if err != nil {
		return nil, err
	}
	if len(key) == 0 {
		return nil, unauthorized("no API key was sent")
	}
	hash := sha256.Sum256(key)
	if c.plain() {
		c.head.keyed, c.head.key = true, hash
	}
	return a.byHash(c, hash)
}

// byHash identifies the caller of c, whose key has this hash.
func (a *auth) byHash(c *call, hash [32]byte) (*admin.Caller, *providers.Error) {
	if k, ok := a.keys.Lookup(hash, c.start); ok {
		return a.keyed(c, k)
	}
	ip := a.clientIP(c)
	if a.adminKey != ([32]byte{}) && subtle.ConstantTimeCompare(hash[:], a.adminKey[:]) == 1 {
		return &admin.Caller{Name: "admin", Admin: true, Scopes: []string{"admin"}, IP: ip}, nil
	}
	if a.local != ([32]byte{}) && subtle.ConstantTimeCompare(hash[:], a.local[:]) == 1 && peerIsLoopback(c.ctx) {
		return &admin.Caller{Name: "local", Admin: true, Scopes: []string{"admin"}, IP: ip}, nil
	}
	if a.peers != ([32]byte{}) && subtle.ConstantTimeCompare(hash[:], a.peers[:]) == 1 && a.asksPeer(c.ctx) {
		return &admin.Caller{Name: "gateway", Peer: true, Admin: true, Scopes: []string{"admin"}, IP: ip}, nil
	}
	return nil, unauthorized("the API key is not valid")
}

// asksPeer reports whether another gateway asks what gateways ask each other, and
// means this process.
func (a *auth) asksPeer(ctx *fasthttp.RequestCtx) bool {
	return bytes.HasPrefix(ctx.Path(), []byte("/v1/admin/requests")) && string(ctx.Request.Header.Peek(peerHeader)) == a.boot
}

// keyed returns the caller who has k. It is part of c: there is one for each request.
func (a *auth) keyed(c *call, k *store.Key) (*admin.Caller, *providers.Error) {
	now := c.start
	switch {
	case !k.RevokedAt.IsZero() && !now.Before(k.RevokedAt):
		return nil, unauthorized("the API key has been revoked")
	case !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt):
		return nil, unauthorized("the API key expired at " + k.ExpiresAt.UTC().Format(time.RFC3339))
	case admin.Paused(k):
		return nil, &providers.Error{Kind: providers.KindPermission, Code: "key_paused", NoRetry: true,
			Message: fmt.Sprintf("this API key is paused: `ai-gateway api-key resume %s` lets it go on", k.ID)}
	}
	who := &c.caller
	*who = admin.Caller{Key: k, Name: k.Name, Scopes: k.Scopes, IP: a.clientIP(c), Admin: slices.Contains(k.Scopes, "admin")}
	if len(k.IPAllow) > 0 && !slices.ContainsFunc(k.IPAllow, func(cidr string) bool {
		p, err := netip.ParsePrefix(cidr)
		return err == nil && p.Contains(who.IP)
	}) {
		return nil, &providers.Error{Kind: providers.KindPermission, Code: "ip_not_allowed", NoRetry: true,
			Message: fmt.Sprintf("this API key may not be used from %s", who.IP)}
	}
	a.keys.Touch(k.ID, now)
	return who, nil
}

// allowed reports whether c may use a route of that scope. A key without scopes
// may use every relay route; admin may use all.
func allowed(c *admin.Caller, scope string, relay bool) *providers.Error {
	switch {
	case scope == scopeSelf || c.May(scope):
		return nil
	case relay && len(c.Scopes) == 0:
		return nil
	}
	add := ""
	if c.Key != nil {
		add = fmt.Sprintf("`ai-gateway api-key update %s --scopes %s` gives it, ", c.Key.ID, strings.Join(append(slices.Clone(c.Scopes), scope), ","))
	}
	return &providers.Error{Kind: providers.KindPermission, Code: "missing_scope", NoRetry: true,
		Message: fmt.Sprintf("this API key lacks the scope %q: %s`ai-gateway api-key create NAME --scopes %s` makes one that has it", scope, add, scope)}
}

// clientIP is the peer's address, or the one a trusted proxy reports: beside what the
// caller wrote, or, as HAProxy does, in a line of its own below it.
func (a *auth) clientIP(c *call) netip.Addr {
	ip := peerIP(c.ctx)
	trusted := *a.trusted.Load()
	if len(trusted) == 0 {
		return ip
	}
	hops := strings.Split(string(c.joined(fieldForwardedFor, "X-Forwarded-For")), ",")
	for i := len(hops) - 1; i >= 0 && trusts(trusted, ip); i-- {
		next, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		ip = next.Unmap()
	}
	return ip
}

func trusts(list []netip.Prefix, ip netip.Addr) bool {
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(ip) })
}

func peerIP(ctx *fasthttp.RequestCtx) netip.Addr {
	if c, ok := ctx.Conn().(*conn); ok {
		return c.ip
	}
	return addrOf(ctx.RemoteAddr())
}

// addrOf is the address of a; not valid where it has none.
func addrOf(a net.Addr) netip.Addr {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

func peerIsLoopback(ctx *fasthttp.RequestCtx) bool {
	ip := peerIP(ctx)
	return ip.IsValid() && ip.IsLoopback()
}
