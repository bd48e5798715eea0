package server

import (
	"bytes"
	"strings"
)

// Clients build addresses from a base URL in many ways, and those of other gateways
// have prefixes of their own. What they mean is found in one step, when the path as
// it stands is not in the route table; the table itself holds one form of each route.

// prefixes are where other gateways and vendors put an API.
var prefixes = [...]string{"/openai", "/anthropic", "/genai", "/v1beta/openai"}

// meant returns the path of the route table that a path stands for, and the
// deployment an Azure path names. The admin API is not reached in this way.
//
//	/chat/completions, /v1/v1/chat/completions/  → /v1/chat/completions
//	/openai/v1/models, /anthropic/v1/messages    → /v1/models, /v1/messages
//	/openai/deployments/{d}/embeddings           → /v1/embeddings, {d}
//	/rerank, /v2/rerank                          → /v1/rerank
func meant(path string) (to, deployment string) {
	to = strings.TrimSuffix(path, "/")
	for _, p := range prefixes {
		if rest, ok := strings.CutPrefix(to, p); ok && strings.HasPrefix(rest, "/") {
			to = rest
			break
		}
	}
	if rest, ok := strings.CutPrefix(to, "/deployments/"); ok {
		if d, tail, ok := strings.Cut(rest, "/"); ok && d != "" {
			deployment, to = d, "/"+tail
		}
	}
	for strings.HasPrefix(to, "/v1/v1") { // also /v1/v1beta
		to = to[len("/v1"):]
	}
	switch {
	case to == "" || strings.HasPrefix(to, "/admin"), strings.HasPrefix(to, "/v1/admin"):
		return path, ""
	case to == "/v2/rerank":
		return "/v1/rerank", deployment
	case !strings.HasPrefix(to, "/v1/") && !strings.HasPrefix(to, "/v1beta/") && !strings.HasPrefix(to, "/v1beta1/"):
		to = "/v1" + to
	}
	return to, deployment
}

// modelRoots are the forms of the one address in whose tail %2F is allowed: names
// of models hold slashes.
var modelRoots = [...]string{"/v1/models/", "/models/", "/openai/v1/models/", "/openai/models/", "/anthropic/v1/models/", "/v1beta/models/", "/genai/v1beta/models/"}

// modelTail returns where the name of a model begins in such a path; 0: it is none.
func modelTail(path []byte) int {
	for _, root := range modelRoots {
		if bytes.HasPrefix(path, []byte(root)) {
			return len(root)
		}
	}
	return 0
}
