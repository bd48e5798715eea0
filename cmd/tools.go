package cmd

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/your-org/ai-api-gateway/cmd/settings"
)

// ourName is what the gateway is called in the settings of other programs.
const ourName = "ai-gateway"

// A reach is how a tool reaches the gateway.
type reach struct {
	base   string // without /v1 and trailing slash
	key    string
	models []string // the first is the default; empty: the tool's own
}

func (r reach) model() string {
	if len(r.models) == 0 {
		return ""
	}
	return r.models[0]
}

// A toolFile is one settings file of a tool, and what has to stand in it.
type toolFile struct {
	path   string
	format settings.Format
	edits  []settings.Edit
	secret []string // where the key stands; nil: not in this file
}

// A tool is a program that connect and launch know. It is set up by files, by
// variables, or by hand.
type tool struct {
	name, title string
	aliases     []string
	needsModel  bool // it has no models of its own that the gateway would serve

	files func(a *app, r reach) []toolFile
	env   func(r reach) [][2]string
	hand  func(r reach) []string // what to do in its window, or to write in its code

	program string                                     // what launch runs; "": it cannot be launched
	args    func(r reach) []string                     // before the caller's
	runEnv  func(a *app, r reach) ([][2]string, error) // of the program; nil: env
	unset   []string                                   // variables that would lead elsewhere
}

// tools are all of them, in the order in which they are shown.
var tools = []tool{
	{name: "claude-code", title: "Claude Code", aliases: []string{"claude"}, files: claudeFiles, env: anthropicEnv, program: "claude", unset: []string{"ANTHROPIC_API_KEY", "CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX"}},
	{name: "codex", title: "Codex CLI", needsModel: true, files: codexFiles, program: "codex", args: codexArgs,
		runEnv: func(_ *app, r reach) ([][2]string, error) { return [][2]string{{"AI_GATEWAY_API_KEY", r.key}}, nil }},
	{name: "gemini-cli", title: "Gemini CLI", aliases: []string{"gemini"}, files: geminiFiles, env: geminiEnv, program: "gemini", runEnv: geminiRunEnv,
		unset: []string{"GOOGLE_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GENAI_USE_GCA", "GOOGLE_VERTEX_BASE_URL"}},
	{name: "opencode", title: "opencode", needsModel: true, files: opencodeFiles, program: "opencode", runEnv: opencodeRunEnv},
	{name: "aider", title: "aider", needsModel: true, files: aiderFiles, env: aiderEnv, program: "aider"},
	{name: "continue", title: "Continue", needsModel: true, files: continueFiles},
	{name: "cline", title: "Cline", needsModel: true, hand: clineHand},
	{name: "open-webui", title: "Open WebUI", aliases: []string{"openwebui"}, env: openWebUIEnv, program: "open-webui", args: func(reach) []string { return []string{"serve"} }},
	{name: "cherry-studio", title: "Cherry Studio", hand: cherryHand},
	{name: "nextchat", title: "NextChat", env: nextChatEnv, hand: nextChatHand},
	{name: "openai-sdk", title: "the OpenAI SDKs", aliases: []string{"openai"}, env: openAIEnv, hand: func(r reach) []string {
		return []string{`Python:  client = OpenAI()`, `Node:    const client = new OpenAI()`, "Both read the variables; " + example(r) + " is a model to ask."}
	}},
	{name: "anthropic-sdk", title: "the Anthropic SDKs", aliases: []string{"anthropic"}, env: func(r reach) [][2]string {
		return [][2]string{{"ANTHROPIC_BASE_URL", r.base}, {"ANTHROPIC_API_KEY", r.key}}
	}, hand: func(r reach) []string {
		return []string{`Python:  client = Anthropic()`, `Node:    const client = new Anthropic()`, "Both read the variables; " + example(r) + " is a model to ask."}
	}},
	{name: "gemini-sdk", title: "the Google Gen AI SDKs", aliases: []string{"google-sdk"}, env: geminiEnv, hand: func(r reach) []string {
		return []string{`Python:  client = genai.Client()`, `Node:    const client = new GoogleGenAI({ apiKey: process.env.GEMINI_API_KEY })`, "Both read the variables; " + example(r) + " is a model to ask."}
	}},
	{name: "ai-sdk", title: "the AI SDK", aliases: []string{"vercel"}, env: openAIEnv, hand: func(r reach) []string {
		return []string{
			`import { createOpenAICompatible } from '@ai-sdk/openai-compatible'`,
			`const gateway = createOpenAICompatible({ name: 'ai-gateway', baseURL: process.env.OPENAI_BASE_URL, apiKey: process.env.OPENAI_API_KEY })`,
			fmt.Sprintf(`generateText({ model: gateway('%s'), prompt: 'Hello' })`, example(r)),
		}
	}},
	{name: "langchain", title: "LangChain", env: openAIEnv, hand: func(r reach) []string {
		return []string{
			fmt.Sprintf(`Python:  ChatOpenAI(model="%s")`, example(r)),
			fmt.Sprintf(`Node:    new ChatOpenAI({ model: "%s", configuration: { baseURL: process.env.OPENAI_BASE_URL } })`, example(r)),
		}
	}},
}

func example(r reach) string {
	if m := r.model(); m != "" {
		return m
	}
	return demoModel
}

// findTool returns the tool of that name or alias.
func findTool(name string) (*tool, bool) {
	for i := range tools {
		for _, known := range append([]string{tools[i].name}, tools[i].aliases...) {
			if strings.EqualFold(known, name) {
				return &tools[i], true
			}
		}
	}
	return nil, false
}

func toolNames(launchable bool) []string {
	var names []string
	for _, t := range tools {
		if !launchable || t.program != "" {
			names = append(names, t.name)
		}
	}
	return names
}

// under returns a path in the folder that variable names, else in the home folder.
func (a *app) under(variable, fallback string, rest ...string) string {
	dir := filepath.Join(a.home(), fallback)
	if v := a.env[variable]; variable != "" && filepath.IsAbs(v) {
		dir = v
	}
	return filepath.Join(append([]string{dir}, rest...)...)
}

// home is the user's home folder; "" if none is known.
func (a *app) home() string {
	if home := a.env["HOME"]; home != "" {
		return home
	}
	return a.env["USERPROFILE"]
}

func set(value any, path ...string) settings.Edit { return settings.Edit{Path: path, Value: value} }

// modelEdits are the edits that name the model, if there is one.
func modelEdits(r reach, prefix string, path ...string) []settings.Edit {
	if r.model() == "" {
		return nil
	}
	return []settings.Edit{set(prefix+r.model(), path...)}
}

func openAIEnv(r reach) [][2]string {
	return [][2]string{{"OPENAI_BASE_URL", r.base + "/v1"}, {"OPENAI_API_KEY", r.key}}
}

// anthropicEnv is what Claude Code reads. A model that is not Anthropic's also does
// its small tasks, which would else ask for one that the gateway may not serve.
func anthropicEnv(r reach) [][2]string {
	env := [][2]string{{"ANTHROPIC_BASE_URL", r.base}, {"ANTHROPIC_AUTH_TOKEN", r.key}, {"CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY", "1"}}
	if m := r.model(); m != "" {
		env = append(env, [2]string{"ANTHROPIC_MODEL", m})
		if !strings.HasPrefix(m, "claude") {
			env = append(env, [2]string{"ANTHROPIC_DEFAULT_HAIKU_MODEL", m})
		}
	}
	return env
}

func claudeFiles(a *app, r reach) []toolFile {
	f := toolFile{path: a.under("CLAUDE_CONFIG_DIR", ".claude", "settings.json"), format: settings.JSON, secret: []string{"env", "ANTHROPIC_AUTH_TOKEN"}}
	for _, v := range anthropicEnv(r) {
		f.edits = append(f.edits, set(v[1], "env", v[0]))
	}
	return []toolFile{f}
}

// codexFiles adds a provider of its own: the built-in one of the name "openai"
// uses web sockets and does not heed OPENAI_BASE_URL.
func codexFiles(a *app, r reach) []toolFile {
	return []toolFile{{
		path: a.under("CODEX_HOME", ".codex", "config.toml"), format: settings.TOML, secret: []string{"model_providers", ourName, "experimental_bearer_token"},
		edits: append(modelEdits(r, "", "model"), set(ourName, "model_provider"), set(map[string]any{
			"name": ourName, "base_url": r.base + "/v1", "wire_api": "responses", "experimental_bearer_token": r.key, "supports_websockets": false,
		}, "model_providers", ourName)),
	}}
}

// codexArgs are the same settings for one run; the key comes by variable.
func codexArgs(r reach) []string {
	at := "model_providers." + ourName + "."
	args := []string{"-c", `model_provider="` + ourName + `"`, "-c", at + `name="` + ourName + `"`, "-c", at + `base_url="` + r.base + `/v1"`,
		"-c", at + `wire_api="responses"`, "-c", at + `env_key="AI_GATEWAY_API_KEY"`, "-c", at + "supports_websockets=false"}
	if m := r.model(); m != "" {
		args = append(args, "-c", fmt.Sprintf("model=%q", m))
	}
	return args
}

func geminiEnv(r reach) [][2]string {
	env := [][2]string{{"GOOGLE_GEMINI_BASE_URL", r.base}, {"GEMINI_API_KEY", r.key}}
	if m := r.model(); m != "" {
		env = append(env, [2]string{"GEMINI_MODEL", m})
	}
	return env
}

// geminiFiles are two: the way of signing in is a setting, the address a variable.
// Both are read in folders that the user trusts.
func geminiFiles(a *app, r reach) []toolFile {
	vars := toolFile{path: a.under("", ".gemini", ".env"), format: settings.Env, secret: []string{"GEMINI_API_KEY"}}
	for _, v := range geminiEnv(r) {
		vars.edits = append(vars.edits, set(v[1], v[0]))
	}
	return []toolFile{vars, {
		path: a.under("", ".gemini", "settings.json"), format: settings.JSON, edits: []settings.Edit{set("gemini-api-key", "security", "auth", "selectedType")},
	}}
}

// opencodeSettings is a provider that speaks chat completions.
func opencodeEdits(r reach) []settings.Edit {
	models := map[string]any{}
	for _, m := range r.models {
		models[m] = map[string]any{"name": m}
	}
	return append(modelEdits(r, ourName+"/", "model"), set(map[string]any{
		"npm": "@ai-sdk/openai-compatible", "name": ourName, "options": map[string]any{"baseURL": r.base + "/v1", "apiKey": r.key}, "models": models,
	}, "provider", ourName))
}

func opencodeFiles(a *app, r reach) []toolFile {
	path := a.under("XDG_CONFIG_HOME", ".config", "opencode", "opencode.json")
	if !exists(path) && exists(path+"c") {
		path += "c"
	}
	return []toolFile{{path: path, format: settings.JSON, edits: opencodeEdits(r), secret: []string{"provider", ourName, "options", "apiKey"}}}
}

func aiderEnv(r reach) [][2]string {
	return [][2]string{{"OPENAI_API_BASE", r.base + "/v1"}, {"OPENAI_API_KEY", r.key}, {"AIDER_MODEL", "openai/" + r.model()}}
}

func aiderFiles(a *app, r reach) []toolFile {
	return []toolFile{{
		path: a.under("", "", ".aider.conf.yml"), format: settings.YAML, secret: []string{"openai-api-key"},
		edits: []settings.Edit{set(r.base+"/v1", "openai-api-base"), set(r.key, "openai-api-key"), set("openai/"+r.model(), "model")},
	}}
}

func continueFiles(a *app, r reach) []toolFile {
	f := toolFile{path: a.under("", ".continue", "config.yaml"), format: settings.YAML}
	if !exists(f.path) { // without them Continue refuses the file
		f.edits = append(f.edits, set(ourName, "name"), set("1.0.0", "version"), set("v1", "schema"))
	}
	for _, m := range r.models {
		name := ourName + " " + m
		f.edits = append(f.edits, set(map[string]any{
			"name": name, "provider": "openai", "model": m, "apiBase": r.base + "/v1", "apiKey": r.key, "roles": []any{"chat", "edit", "apply"},
		}, "models", "name="+name))
		f.secret = []string{"models", "name=" + name, "apiKey"}
	}
	return []toolFile{f}
}

func clineHand(r reach) []string {
	return []string{"In Cline's settings:", "API Provider      OpenAI Compatible", "Base URL          " + r.base + "/v1", "OpenAI Compatible API Key   " + r.key, "Model ID          " + example(r)}
}

func openWebUIEnv(r reach) [][2]string {
	env := [][2]string{{"OPENAI_API_BASE_URL", r.base + "/v1"}, {"OPENAI_API_KEY", r.key}, {"ENABLE_OLLAMA_API", "False"}}
	if m := r.model(); m != "" {
		env = append(env, [2]string{"DEFAULT_MODELS", m})
	}
	return env
}

func cherryHand(r reach) []string {
	return []string{"In Settings → Model Provider → Add:", "Provider Type   OpenAI", "API Key         " + r.key, "API Host        " + r.base, "Then \"Manage\" lists the models of the gateway."}
}

func nextChatEnv(r reach) [][2]string {
	env := [][2]string{{"BASE_URL", r.base}, {"OPENAI_API_KEY", r.key}}
	if m := r.model(); m != "" {
		env = append(env, [2]string{"CUSTOM_MODELS", "+" + strings.Join(r.models, ",+")}, [2]string{"DEFAULT_MODEL", m})
	}
	return env
}

func nextChatHand(r reach) []string {
	return []string{"Or, in its own settings: Custom Endpoint on,", "OpenAI Endpoint   " + r.base, "OpenAI API Key    " + r.key, "Custom Model      " + example(r)}
}
