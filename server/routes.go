package server

import (
	"fmt"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/your-org/ai-api-gateway/providers"
)

// A Meter says how a route's use is accounted.
type Meter string

// Meters.
const (
	MeterLedger Meter = "ledger" // one ledger row a request
	MeterFree   Meter = "free"   // costs nothing: no row
)

// Scopes of routes that are not operations of the relay.
const (
	scopePublic = "public" // no key
	scopeSelf   = "self"   // any key
)

// A route is one method and path. None can be registered without a scope and a meter.
type route struct {
	method, path string
	scope        string
	meter        Meter
	op           providers.Op
	in           providers.Ingress // whose error shape and body it has; nil: OpenAI's
	frames       providers.Egress
	verb         string     // what a Gemini address asks for behind the model's name
	modelPrefix  string     // what stands before the name of the model in the address
	streams      bool       // the address asks for a stream
	gemini       bool       // Google's clients may put the key into the query
	operation    *operation // nil: translated, or no operation
	handle       func(*call)
	segments     []string // of a path with parameters
}

// routes finds the route of a request.
type routes struct {
	exact   map[string][]*route // by path
	pattern []*route            // paths with {parameters}; a trailing {x...} takes the rest
	all     []*route
}

func newRoutes() *routes { return &routes{exact: map[string][]*route{}} }

func (rs *routes) add(r *route) {
	if r.scope == "" || r.meter == "" || r.method == "" || r.handle == nil {
		panic(fmt.Sprintf("BUG: route %s %s lacks its scope, meter or handler", r.method, r.path))
	}
	if r.meter == MeterLedger && (r.op == "" || r.in == nil) {
		panic(fmt.Sprintf("BUG: metered route %s %s lacks its operation or dialect", r.method, r.path))
	}
	rs.all = append(rs.all, r)
	if strings.Contains(r.path, "{") {
		r.segments = strings.Split(r.path, "/")
		rs.pattern = append(rs.pattern, r)
		return
	}
	rs.exact[r.path] = append(rs.exact[r.path], r)
}

// listed returns the routes of a request target that is in the table as it stands.
func (rs *routes) listed(target []byte) []*route { return rs.exact[string(target)] }

// of returns the one of a path's routes that has the method, or the methods they have.
func of(path []*route, method string) (r *route, methods []string) {
	for _, r := range path {
		if r.method == method {
			return r, nil
		}
		methods = append(methods, r.method)
	}
	slices.Sort(methods)
	return nil, slices.Compact(methods)
}

// find returns the route, its parameters, and the methods the path knows where the method is not one.
func (rs *routes) find(method, path string) (r *route, params map[string]string, methods []string) {
	if exact := rs.exact[path]; exact != nil { // what a path says goes before what a pattern would take it for
		r, methods = of(exact, method)
		return r, nil, methods
	}
	for _, r := range rs.pattern {
		if p, ok := r.match(path); ok {
			if r.method == method {
				return r, p, nil
			}
			methods = append(methods, r.method)
		}
	}
	slices.Sort(methods)
	return nil, nil, slices.Compact(methods)
}

func (r *route) match(path string) (map[string]string, bool) {
	if !strings.HasPrefix(path, r.path[:strings.IndexByte(r.path, '{')]) || !strings.HasSuffix(path, r.path[strings.LastIndexByte(r.path, '}')+1:]) {
		return nil, false
	}
	parts := strings.Split(path, "/")
	params := map[string]string{}
	for i, seg := range r.segments {
		if i >= len(parts) {
			return nil, false
		}
		switch {
		case strings.Contains(seg, "...}"): // what may stand behind it ends the path
			name, tail, _ := strings.Cut(seg[1:], "...}")
			rest, ok := strings.CutSuffix(strings.Join(parts[i:], "/"), tail)
			params[name] = rest
			return params, ok && rest != ""
		case strings.HasPrefix(seg, "{"):
			if parts[i] == "" {
				return nil, false
			}
			params[seg[1:len(seg)-1]] = parts[i]
		case seg != parts[i]:
			return nil, false
		}
	}
	return params, len(parts) == len(r.segments)
}

// methodOf spares the conversion of the methods that are known.
func methodOf(ctx *fasthttp.RequestCtx) string {
	m := ctx.Method()
	for _, known := range knownMethods {
		if string(m) == known {
			return known
		}
	}
	return string(m)
}
