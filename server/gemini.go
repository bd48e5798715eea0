package server

import (
	"slices"
	"strconv"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/relay"
	"github.com/your-org/ai-api-gateway/server/routing"
)

// geminiRoots are where Google's SDKs put a model: the Gemini API, and Vertex AI with
// and without a project.
var geminiRoots = [...]string{
	"/v1beta/models/", "/v1/models/",
	"/v1beta1/publishers/{publisher}/models/", "/v1/publishers/{publisher}/models/",
	"/v1beta1/projects/{project}/locations/{location}/publishers/{publisher}/models/",
	"/v1/projects/{project}/locations/{location}/publishers/{publisher}/models/",
}

// tunedRoots hold models that were tuned, whose name says so.
var tunedRoots = [...]string{"/v1beta/tunedModels/", "/v1/tunedModels/"}

const tuned = "tunedModels/"

// registerGemini adds the routes of Google's own format, whose addresses name the model and what to do.
func (s *Server) registerGemini() {
	g := s.o.Surfaces.Gemini
	if g.In == nil {
		return
	}
	verbs := []route{
		{path: "generateContent", op: providers.OpChat, scope: "chat"},
		{path: "streamGenerateContent", op: providers.OpChat, scope: "chat", streams: true},
		{path: "countTokens", op: providers.OpCountTokens, scope: "chat"},
		{path: "embedContent", op: providers.OpEmbedContent, scope: "embeddings"},
		{path: "batchEmbedContents", op: providers.OpEmbedContent, scope: "embeddings"},
	}
	add := func(root, prefix string) {
		for _, v := range verbs {
			r := v
			r.method, r.meter, r.in, r.frames, r.handle = "POST", MeterLedger, g.In, g.Frames, s.serveRelay
			r.path, r.verb, r.modelPrefix, r.gemini = root+"{model...}:"+v.path, v.path, prefix, true
			if v.op == providers.OpEmbedContent {
				r.frames = s.o.Surfaces.GeminiEmbed
			}
			s.routes.add(&r)
		}
	}
	for _, root := range geminiRoots {
		add(root, "")
	}
	for _, root := range tunedRoots {
		add(root, tuned)
	}
	for _, m := range []string{"GET", "HEAD"} {
		for _, root := range [...]string{"/v1beta/models", "/v1beta1/publishers/{publisher}/models"} {
			s.routes.add(&route{method: m, path: root, scope: scopeSelf, meter: MeterFree, in: g.In, gemini: true, handle: s.listGemini})
			s.routes.add(&route{method: m, path: root + "/{id...}", scope: scopeSelf, meter: MeterFree, in: g.In, gemini: true, handle: s.showGemini})
		}
	}
}

// fromGoogle reports whether one of Google's own clients asks: they share /v1/models with OpenAI's.
func (c *call) fromGoogle() bool {
	h := &c.ctx.Request.Header
	return c.s.o.Surfaces.Gemini.In != nil && len(h.Peek("X-Goog-Api-Key"))+len(h.Peek("X-Goog-Api-Client")) > 0
}

// arrayOf returns the dialect of a stream that is asked for without alt=sse: one JSON array.
func (c *call) arrayOf() (providers.Ingress, bool) {
	if !c.route.streams || string(c.ctx.QueryArgs().Peek("alt")) == "sse" {
		return nil, false
	}
	return c.s.o.Surfaces.GeminiArray, true
}

// address completes what was peeked by what the request's address says.
func (c *call) address(p *providers.Peek) *providers.Error {
	if c.route.verb == "" {
		return nil
	}
	p.InPath, p.Stream = true, c.route.streams
	p.Model = c.route.modelPrefix + c.params["model"]
	if len(p.Model) > 256 {
		return &providers.Error{Kind: providers.KindModelNotFound, Code: "model_not_found", Message: "the model's name is longer than 256 bytes"}
	}
	for _, r := range p.Model {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return refuse(400, "bad_model", "the model's name holds characters that cannot be printed")
		}
	}
	return nil
}

// upstreamPath is what an upstream's address needs of the caller's.
func (c *call) upstreamPath() string {
	if c.route.verb != "" {
		return c.route.verb
	}
	return strings.TrimPrefix(c.route.path, "/v1/")
}

// geminiModel is an entry of Google's list of models.
type geminiModel struct {
	Name        string   `json:"name"`
	BaseID      string   `json:"baseModelId"`
	Version     string   `json:"version"`
	DisplayName string   `json:"displayName"`
	Description string   `json:"description"`
	Input       int64    `json:"inputTokenLimit,omitempty"`
	Output      int64    `json:"outputTokenLimit,omitempty"`
	Methods     []string `json:"supportedGenerationMethods"`
}

func geminiRow(m routing.ModelInfo) geminiModel {
	return geminiModel{
		Name: "models/" + m.ID, BaseID: m.ID, Version: "001", DisplayName: m.ID, Description: "served by " + m.OwnedBy, Input: m.Context, Output: m.MaxOutput,
		Methods: []string{"generateContent", "streamGenerateContent", "countTokens"},
	}
}

// listGemini answers with a page of the models; the token of the next is its first model's place.
func (s *Server) listGemini(c *call) {
	models := s.table.Load().Models(allowModels(c))
	args := c.ctx.QueryArgs()
	size, from := 50, 0
	if n, err := strconv.Atoi(string(args.Peek("pageSize"))); err == nil && n > 0 {
		size = min(n, 1000)
	}
	if n, err := strconv.Atoi(string(args.Peek("pageToken"))); err == nil && n > 0 {
		from = min(n, len(models))
	}
	page := struct {
		Models []geminiModel `json:"models"`
		Next   string        `json:"nextPageToken,omitempty"`
	}{Models: []geminiModel{}}
	for _, m := range models[from:min(len(models), from+size)] {
		page.Models = append(page.Models, geminiRow(m))
	}
	if from+size < len(models) {
		page.Next = strconv.Itoa(from + size)
	}
	writeJSON(c, 200, page)
}

func (s *Server) showGemini(c *call) {
	id := c.params["id"]
	if len(id) > 256 {
		id = id[:256]
	}
	t := s.table.Load()
	models := t.Models(allowModels(c))
	if i := slices.IndexFunc(models, func(m routing.ModelInfo) bool { return m.ID == id }); i >= 0 {
		writeJSON(c, 200, geminiRow(models[i]))
		return
	}
	plan, err := t.Plan(routing.Ask{Op: providers.OpChat, Dialect: providers.Gemini, Model: id, Allow: allowModels(c)}) // not listed, but perhaps routable
	if err != nil {
		c.fail(err)
		return
	}
	writeJSON(c, 200, geminiRow(routing.ModelInfo{ID: id, OwnedBy: plan.Targets[0].Account.Provider.Name}))
}

// estimateGemini answers countTokens for targets that have no such call.
func (s *Server) estimateGemini(c *call, job *relay.Job) {
	n := s.o.Surfaces.CountGemini(job.Body)
	c.ctx.Response.Header.Set("X-Gateway-Estimated", "true")
	writeJSON(c, 200, struct {
		TotalTokens int64 `json:"totalTokens"`
	}{n})
}
