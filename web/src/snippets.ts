// How each client is told of the gateway: what `ai-gateway connect` prints, for the
// page's own address.
import { curl } from "./curl";

export interface Snippet { id: string; name: string; text: string }

export function snippets(origin: string, key: string): Snippet[] {
  const v1 = origin + "/v1";
  const shown = key.startsWith("$") ? "YOUR_KEY" : key;
  const env = (pairs: Record<string, string>, then = "") => Object.entries(pairs).map(([k, v]) => `export ${k}=${v}`).join("\n") + (then ? "\n" + then : "");
  return [
    { id: "curl", name: "curl", text: (key.startsWith("$") ? "" : `export AI_GATEWAY_API_KEY=${key}\n`) + curl(origin, "/v1/chat/completions", JSON.stringify({ model: "demo", messages: [{ role: "user", content: "Hello" }] })) },
    { id: "python", name: "OpenAI SDK, Python", text: `from openai import OpenAI\n\nclient = OpenAI(base_url="${v1}", api_key="${shown}")\nanswer = client.chat.completions.create(model="demo", messages=[{"role": "user", "content": "Hello"}])\nprint(answer.choices[0].message.content)` },
    { id: "node", name: "OpenAI SDK, Node", text: `import OpenAI from "openai";\n\nconst client = new OpenAI({ baseURL: "${v1}", apiKey: "${shown}" });\nconst answer = await client.chat.completions.create({ model: "demo", messages: [{ role: "user", content: "Hello" }] });\nconsole.log(answer.choices[0].message.content);` },
    { id: "anthropic", name: "Anthropic SDK", text: env({ ANTHROPIC_BASE_URL: origin, ANTHROPIC_API_KEY: shown }) },
    { id: "claude-code", name: "Claude Code", text: env({ ANTHROPIC_BASE_URL: origin, ANTHROPIC_AUTH_TOKEN: shown }, "claude") },
    { id: "codex", name: "Codex CLI", text: `# ~/.codex/config.toml\nmodel_provider = "ai-gateway"\n\n[model_providers.ai-gateway]\nname = "ai-gateway"\nbase_url = "${v1}"\nenv_key = "AI_GATEWAY_API_KEY"\nwire_api = "responses"` },
    { id: "gemini-cli", name: "Gemini CLI", text: env({ GOOGLE_GEMINI_BASE_URL: origin, GEMINI_API_KEY: shown }, "gemini") },
    { id: "cline", name: "Cline, Continue, Cherry Studio, Open WebUI", text: `Base URL: ${v1}\nAPI key:  ${shown}` },
  ];
}
