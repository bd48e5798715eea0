import { describe, expect, it } from "vitest";
import { curl, pathOf, quote } from "../src/curl";
import { dialects, piece, question, type Dialect } from "../src/dialects";

describe("curl", () => {
  it("quotes what a shell would read", () => {
    expect(quote("it's $HOME `x`")).toBe(`'it'\\''s $HOME \`x\`'`);
    const c = curl("http://gw", "/v1/messages", `{"a":"'; rm -rf /"}`);
    expect(c).toContain(`-d '{"a":"'\\''; rm -rf /"}'`);
    expect(c).toContain("x-api-key: $AI_GATEWAY_API_KEY");
    expect(curl("http://gw", pathOf("gemini", "models/x y", true), "{}")).toContain("'http://gw/v1beta/models/models%2Fx%20y:streamGenerateContent?alt=sse'");
  });
});

describe("question", () => {
  const q = { model: "m", system: "be brief", turns: [{ ask: "hi", images: [], answer: "hello" }, { ask: "what is it", images: [{ type: "image/png", data: "AAAA" }] }], maxTokens: 9, tools: [{ name: "f", parameters: { type: "object" } }] };
  it.each(dialects)("%s carries system, turns, image and tool", (d) => {
    const { path, body } = question(d, q);
    const s = JSON.stringify(body);
    for (const part of ["be brief", "hi", "hello", "what is it", "AAAA", "image/png", '"f"', "9"]) expect(s).toContain(part);
    expect(path).toBe(pathOf(d, "m", true));
  });
});

describe("piece", () => {
  it.each<[Dialect, unknown, object]>([
    ["chat", { choices: [{ delta: { content: "a" } }] }, { text: "a" }],
    ["chat", { choices: [{ delta: { reasoning_content: "hm" } }] }, { think: "hm" }],
    ["chat", { choices: [{ delta: { tool_calls: [{ function: { name: "f", arguments: "{" } }] } }] }, { tool: "f {" }],
    ["chat", { choices: [], usage: { prompt_tokens: 3, completion_tokens: 4 } }, { input: 3, output: 4 }],
    ["responses", { type: "response.output_text.delta", delta: "b" }, { text: "b" }],
    ["responses", { type: "response.completed", response: { usage: { input_tokens: 1, output_tokens: 2 } } }, { input: 1, output: 2 }],
    ["responses", { type: "response.failed", response: { error: { message: "no" } } }, { error: "no" }],
    ["messages", { type: "content_block_delta", delta: { type: "text_delta", text: "c" } }, { text: "c" }],
    ["messages", { type: "content_block_delta", delta: { type: "thinking_delta", thinking: "t" } }, { think: "t" }],
    ["messages", { type: "message_delta", usage: { output_tokens: 5 } }, { output: 5 }],
    ["gemini", { candidates: [{ content: { parts: [{ text: "d" }, { text: "th", thought: true }, { functionCall: { name: "f", args: { x: 1 } } }] } }] }, { text: "d", think: "th", tool: 'f {"x":1}' }],
    ["messages", { type: "error", error: { message: "bad" } }, { error: "bad" }],
  ])("%s %j", (d, e, want) => expect(piece(d, JSON.stringify(e))).toMatchObject(want));
  it("bears what is no JSON", () => {
    expect(piece("chat", "[DONE]")).toEqual({});
    expect(piece("chat", "<html>")).toEqual({});
  });
});
