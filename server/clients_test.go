package server

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestCrossOrigin: pages of other origins may call nothing unless the owner names them.
func TestCrossOrigin(t *testing.T) {
	const page = "https://chat.example"
	preflight := []string{"Origin", page, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,content-type"}
	closed, open := newBench(t), newBench(t, func(o *Options) { o.CORS = []string{page} })
	for _, path := range []string{"/v1/chat/completions", "/chat/completions", "/v1/models", "/v1/admin/api-keys", "/admin/"} {
		if a := closed.call("OPTIONS", path, "", "", preflight...); a.status == 204 || a.head.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("OPTIONS %s without the setting: %v %v", path, a, a.head)
		}
		a := open.call("OPTIONS", path, "", "", preflight...)
		relays := !strings.Contains(path, "admin")
		if got := a.head.Get("Access-Control-Allow-Origin"); (a.status == 204) != relays || relays != (got == page) || relays && a.head.Get("Access-Control-Allow-Headers") != "authorization,content-type" {
			t.Errorf("OPTIONS %s: %v %v", path, a, a.head)
		}
	}
	key := open.key(nil)
	a := open.call("POST", "/v1/chat/completions", key, chatAsk, "Origin", page)
	if a.status != 200 || a.head.Get("Access-Control-Allow-Origin") != page || a.head.Get("Vary") != "Origin" {
		t.Errorf("a call: %v %v", a, a.head)
	}
	if a := open.call("POST", "/v1/chat/completions", "wrong", chatAsk, "Origin", page); a.status != 401 || a.head.Get("Access-Control-Allow-Origin") != page {
		t.Errorf("a refused call: %v %v", a, a.head)
	}
	if a := open.call("POST", "/v1/chat/completions", key, chatAsk, "Origin", "https://evil.example"); a.status != 200 || a.head.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("a call from elsewhere: %v %v", a, a.head)
	}
	if a := open.call("OPTIONS", "/v1/models", "", "", "Origin", "https://evil.example", "Access-Control-Request-Method", "GET"); a.status == 204 || a.head.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("a preflight from elsewhere: %v %v", a, a.head)
	}
	if a := open.call("OPTIONS", "/v1/models", "", "", append(preflight[:4:4], "Access-Control-Request-Headers", "a;b<script>")...); a.head.Get("Access-Control-Allow-Headers") != "" {
		t.Errorf("strange headers were allowed: %v", a.head)
	}
}

// TestListsOfClients: what Cline, NextChat and Codex read beside the models.
func TestListsOfClients(t *testing.T) {
	b := newBench(t)
	key := b.key(nil)
	var info struct {
		Data []struct {
			Name   string                 `json:"model_name"`
			Params struct{ Model string } `json:"litellm_params"`
			Info   map[string]any         `json:"model_info"`
		}
	}
	for _, path := range []string{"/v1/model/info", "/model/info"} {
		a := b.call("GET", path, key, "")
		if a.status != 200 || json.Unmarshal([]byte(a.body), &info) != nil || len(info.Data) != 4 {
			t.Fatalf("%s: %v", path, a)
		}
		if d := info.Data[0]; d.Name != "fast" || d.Params.Model != "openai/gpt-x" || d.Info["id"] != "fast" || d.Info["litellm_provider"] != "openai" {
			t.Errorf("%s: %+v", path, d)
		}
	}
	for _, path := range []string{"/v1/dashboard/billing/subscription", "/dashboard/billing/subscription"} {
		a := b.call("GET", path, key, "")
		var sub struct {
			Object string
			Hard   float64 `json:"hard_limit_usd"`
			Free   bool    `json:"unlimited"`
		}
		if a.status != 200 || json.Unmarshal([]byte(a.body), &sub) != nil || sub.Object != "billing_subscription" || sub.Hard != 100_000_000 || !sub.Free {
			t.Errorf("%s: %v", path, a)
		}
	}
	for _, path := range []string{"/v1/dashboard/billing/usage?start_date=2026-11-01&end_date=2026-11-30", "/dashboard/billing/usage"} {
		if a := b.call("GET", path, key, ""); a.status != 200 || !strings.Contains(a.body, `"object":"list"`) || !strings.Contains(a.body, `"total_usage":0`) {
			t.Errorf("%s: %v", path, a)
		}
	}
	if a := b.call("GET", "/models?client_version=0.169.0", key, ""); a.status != 200 || !strings.Contains(a.body, `"models":[]`) || !strings.Contains(a.body, `"data":[{`) {
		t.Errorf("Codex: %v", a)
	}
	if a := b.call("GET", "/models", key, ""); strings.Contains(a.body, `"models"`) {
		t.Errorf("others: %v", a)
	}
}
