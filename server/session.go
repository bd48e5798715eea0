package server

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/admin"
)

// A web session stands for a key, so that a browser does not have to keep one: the
// page sends the key once and gets a cookie that scripts cannot read.

// Bounds of sessions and of the ways into them.
const (
	sessionIdle    = 30 * time.Minute
	sessionLife    = 12 * time.Hour
	maxSessions    = 1000
	loginsPerIP    = 5  // failed ones a minute
	loginsPerAll   = 50 // failed ones a minute
	maxThrottled   = 4096
	sessionCookie  = "ai-gateway-session"
	secureCookie   = "__Host-" + sessionCookie // under TLS: no other host or path can set it
	csrfHeader     = "X-CSRF-Token"
	maxSessionBody = 4 << 10
)

type session struct {
	key     [32]byte // hash of the key it stands for
	csrf    string
	created time.Time
	used    time.Time
}

// sessions are the open web sessions, by the hash of their id, and who failed to
// open one lately.
type sessions struct {
	mu     sync.Mutex
	open   map[[32]byte]*session
	failed map[netip.Addr]int // in this minute
	all    int
	minute int64
}

func newSessions() *sessions {
	return &sessions{open: map[[32]byte]*session{}, failed: map[netip.Addr]int{}}
}

// throttled reports whether ip, or all together, failed too often in this minute.
func (s *sessions) throttled(ip netip.Addr, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn(now)
	return s.failed[ip] >= loginsPerIP || s.all >= loginsPerAll
}

func (s *sessions) fail(ip netip.Addr, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn(now)
	s.all++
	if len(s.failed) < maxThrottled {
		s.failed[ip]++
	}
}

func (s *sessions) turn(now time.Time) {
	if m := now.Unix() / 60; m != s.minute {
		s.minute, s.all = m, 0
		clear(s.failed)
	}
}

// begin opens a session for a key and returns its id and token.
func (s *sessions) begin(key [32]byte, now time.Time) (id, csrf string) {
	id, csrf = randomToken(), randomToken()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.open) >= maxSessions {
		s.evict(now)
	}
	s.open[sha256.Sum256([]byte(id))] = &session{key: key, csrf: csrf, created: now, used: now}
	return id, csrf
}

// evict removes the sessions that have ended, else the one unused for longest.
func (s *sessions) evict(now time.Time) {
	var oldest [32]byte
	var at time.Time
	for h, one := range s.open {
		if one.ended(now) {
			delete(s.open, h)
		} else if at.IsZero() || one.used.Before(at) {
			oldest, at = h, one.used
		}
	}
	if len(s.open) >= maxSessions {
		delete(s.open, oldest)
	}
}

func (s *session) ended(now time.Time) bool {
	return now.Sub(s.used) >= sessionIdle || now.Sub(s.created) >= sessionLife
}

// find returns the session of an id and notes its use.
func (s *sessions) find(id []byte, now time.Time) (session, bool) {
	h := sha256.Sum256(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.open[h]
	if one == nil {
		return session{}, false
	}
	if one.ended(now) {
		delete(s.open, h)
		return session{}, false
	}
	one.used = now
	return *one, true
}

func (s *sessions) end(id []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, sha256.Sum256(id))
}

func randomToken() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails: crypto/rand aborts the process instead
	return base64.RawURLEncoding.EncodeToString(b)
}

// cookieOf returns the session id that a browser sent.
func cookieOf(ctx *fasthttp.RequestCtx) []byte {
	if overTLS(ctx) {
		return ctx.Request.Header.Cookie(secureCookie)
	}
	return ctx.Request.Header.Cookie(sessionCookie)
}

// fromSession identifies a browser by its cookie. Where the request changes
// something it must carry the session's token, which other sites cannot read.
func (s *Server) fromSession(c *call, id []byte) (*admin.Caller, *providers.Error) {
	ctx := c.ctx
	if e := s.checkOrigin(ctx); e != nil {
		return nil, e
	}
	one, ok := s.sessions.find(id, c.start)
	if !ok {
		return nil, &providers.Error{Kind: providers.KindAuthentication, Code: "session_ended", NoRetry: true, Message: "the session has ended: sign in again"}
	}
	if m := methodOf(ctx); m != "GET" && m != "HEAD" {
		if subtle.ConstantTimeCompare(ctx.Request.Header.Peek(csrfHeader), []byte(one.csrf)) != 1 {
			return nil, forbidden("csrf", "the request lacks the session's "+csrfHeader)
		}
		kind := ctx.Request.Header.ContentType()
		upload := strings.HasPrefix(string(kind), "multipart/form-data") && !strings.HasPrefix(string(ctx.Path()), "/v1/admin/")
		if !isJSON(kind) && ctx.Request.Header.ContentLength() != 0 && !upload {
			return nil, forbidden("content_type", "with a session, bodies must be application/json")
		}
	}
	return s.auth.byHash(c, one.key)
}

func forbidden(code, msg string) *providers.Error {
	return &providers.Error{Kind: providers.KindPermission, Code: code, NoRetry: true, Message: msg}
}

func isJSON(contentType []byte) bool {
	t, _, _ := strings.Cut(string(contentType), ";")
	return strings.EqualFold(strings.TrimSpace(t), "application/json")
}

// checkOrigin refuses what another site makes a browser send, and hosts that are
// not this gateway's: a name that an attacker points at this machine.
func (s *Server) checkOrigin(ctx *fasthttp.RequestCtx) *providers.Error {
	if e := s.checkPage(ctx); e != nil {
		return e
	}
	h := &ctx.Request.Header
	host := string(h.Host())
	if site := h.Peek("Sec-Fetch-Site"); len(site) > 0 && string(site) != "same-origin" && string(site) != "none" {
		return forbidden("cross_site", "the request comes from another site")
	}
	if origin := string(h.Peek("Origin")); origin != "" {
		u, err := url.Parse(origin)
		if err != nil || !strings.EqualFold(u.Host, host) {
			return forbidden("cross_site", "the request comes from another site")
		}
	}
	return nil
}

// ownHost reports whether a Host header names this gateway: by address, by
// localhost, or by a name that the configuration gives it.
func (s *Server) ownHost(host string) bool {
	name := host
	if u, err := url.Parse("//" + host); err == nil {
		name = u.Hostname()
	}
	if _, err := netip.ParseAddr(name); err == nil || strings.EqualFold(name, "localhost") {
		return true
	}
	for _, p := range s.o.PublicHosts {
		if strings.EqualFold(name, p) {
			return true
		}
	}
	return false
}

// sessionView is what the page learns of its session.
type sessionView struct {
	Name      string    `json:"name"`
	Scopes    []string  `json:"scopes"`
	Admin     bool      `json:"admin"`
	CSRF      string    `json:"csrf_token"`
	ExpiresAt time.Time `json:"expires_at"`
}

func viewOf(who *admin.Caller, one session) sessionView {
	v := sessionView{Name: who.Name, Scopes: who.Scopes, Admin: who.Admin, CSRF: one.csrf, ExpiresAt: one.created.Add(sessionLife).UTC()}
	if v.Scopes == nil {
		v.Scopes = []string{}
	}
	return v
}

// signIn exchanges a key for a session.
func (s *Server) signIn(c *call) {
	c.noStore()
	if e := s.checkOrigin(c.ctx); e != nil {
		c.fail(e)
		return
	}
	ip := s.auth.clientIP(c)
	if s.sessions.throttled(ip, c.start) {
		c.ctx.Response.Header.Set("Retry-After", "60")
		c.fail(&providers.Error{Kind: providers.KindRateLimit, Code: "too_many_sign_ins", Message: "too many failed sign-ins: wait a minute"})
		return
	}
	if !isJSON(c.ctx.Request.Header.ContentType()) {
		c.fail(refuse(400, "content_type", "the body must be application/json: {\"key\": \"sk-gw-…\"}"))
		return
	}
	buf, e := c.readBody(maxSessionBody, &holding{})
	if e != nil {
		c.fail(e)
		return
	}
	var in struct{ Key string }
	err := json.Unmarshal(*buf, &in)
	clear(*buf)
	putBody(buf)
	if err != nil || in.Key == "" || len(in.Key) > maxCredential {
		c.fail(refuse(400, "invalid_json", "the body must be {\"key\": \"sk-gw-…\"}"))
		return
	}
	hash := sha256.Sum256([]byte(in.Key))
	who, e := s.auth.byHash(c, hash)
	if e != nil {
		s.sessions.fail(ip, c.start)
		c.fail(e)
		return
	}
	if old := cookieOf(c.ctx); len(old) > 0 {
		s.sessions.end(old)
	}
	id, csrf := s.sessions.begin(hash, c.start)
	s.setCookie(c.ctx, id, int(sessionLife.Seconds()))
	writeJSON(c, 201, viewOf(who, session{csrf: csrf, created: c.start}))
}

// showSession tells the page who it is signed in as, and the token for changes.
func (s *Server) showSession(c *call) {
	c.noStore()
	id := cookieOf(c.ctx)
	who, e := s.fromSession(c, id)
	if e != nil {
		c.fail(e)
		return
	}
	one, _ := s.sessions.find(id, c.start)
	writeJSON(c, 200, viewOf(who, one))
}

// signOut ends the session.
func (s *Server) signOut(c *call) {
	c.noStore()
	id := cookieOf(c.ctx)
	if _, e := s.fromSession(c, id); e != nil && e.Code != "session_ended" {
		c.fail(e)
		return
	}
	s.sessions.end(id)
	s.setCookie(c.ctx, "", -1)
	c.ctx.SetStatusCode(fasthttp.StatusNoContent)
}

func (s *Server) setCookie(ctx *fasthttp.RequestCtx, value string, age int) {
	var k fasthttp.Cookie
	k.SetKey(sessionCookie)
	if overTLS(ctx) {
		k.SetKey(secureCookie)
		k.SetSecure(true)
	}
	k.SetValue(value)
	k.SetPath("/")
	k.SetHTTPOnly(true)
	k.SetSameSite(fasthttp.CookieSameSiteStrictMode)
	if age < 0 {
		k.SetExpire(fasthttp.CookieExpireDelete)
	} else {
		k.SetMaxAge(age)
	}
	ctx.Response.Header.SetCookie(&k)
}

func (c *call) noStore() { c.ctx.Response.Header.Set("Cache-Control", "no-store") }
