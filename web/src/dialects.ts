// The four formats of a chat: how one asks in each, and what its stream says.
import { pathOf } from "./curl";

export const dialects = ["chat", "responses", "messages", "gemini"] as const;
export type Dialect = (typeof dialects)[number];
export const dialectNames: Record<Dialect, string> = { chat: "OpenAI chat", responses: "OpenAI Responses", messages: "Anthropic Messages", gemini: "Gemini" };

export interface Image { type: string; data: string } // base64
export interface Turn { ask: string; images: Image[]; answer?: string }
export interface Question { model: string; system: string; turns: Turn[]; maxTokens?: number; temperature?: number; tools: unknown[] }
export interface Ask { path: string; body: Record<string, unknown> }

const none = <T>(v: T | undefined | "" | null): v is undefined | "" | null => v === undefined || v === "" || v === null;

/** question writes a request for a streamed answer in a format. */
export function question(d: Dialect, q: Question): Ask {
  const body: Record<string, unknown> = d === "gemini" ? {} : { model: q.model, stream: true };
  const set = (name: string, value: unknown) => { if (!none(value)) body[name] = value; };
  const tools = q.tools as { name?: string; description?: string; parameters?: unknown }[];
  switch (d) {
    case "chat":
      body.messages = [...(q.system ? [{ role: "system", content: q.system }] : []), ...q.turns.flatMap((x): unknown[] => [
        { role: "user", content: x.images.length ? [{ type: "text", text: x.ask }, ...x.images.map((i) => ({ type: "image_url", image_url: { url: `data:${i.type};base64,${i.data}` } }))] : x.ask },
        ...(x.answer === undefined ? [] : [{ role: "assistant", content: x.answer }]),
      ])];
      set("max_completion_tokens", q.maxTokens);
      set("temperature", q.temperature);
      if (tools.length) body.tools = tools.map((f) => ({ type: "function", function: f }));
      break;
    case "responses":
      set("instructions", q.system);
      body.input = q.turns.flatMap((x): unknown[] => [
        { role: "user", content: [{ type: "input_text", text: x.ask }, ...x.images.map((i) => ({ type: "input_image", image_url: `data:${i.type};base64,${i.data}` }))] },
        ...(x.answer === undefined ? [] : [{ role: "assistant", content: [{ type: "output_text", text: x.answer }] }]),
      ]);
      set("max_output_tokens", q.maxTokens);
      set("temperature", q.temperature);
      if (tools.length) body.tools = tools.map((f) => ({ type: "function", ...f }));
      break;
    case "messages":
      set("system", q.system);
      body.max_tokens = q.maxTokens ?? 4096;
      body.messages = q.turns.flatMap((x): unknown[] => [
        { role: "user", content: [...x.images.map((i) => ({ type: "image", source: { type: "base64", media_type: i.type, data: i.data } })), { type: "text", text: x.ask }] },
        ...(x.answer === undefined ? [] : [{ role: "assistant", content: x.answer || "…" }]),
      ]);
      set("temperature", q.temperature);
      if (tools.length) body.tools = tools.map((f) => ({ name: f.name, description: f.description, input_schema: f.parameters ?? { type: "object" } }));
      break;
    case "gemini": {
      if (q.system) body.systemInstruction = { parts: [{ text: q.system }] };
      body.contents = q.turns.flatMap((x): unknown[] => [
        { role: "user", parts: [...x.images.map((i) => ({ inlineData: { mimeType: i.type, data: i.data } })), { text: x.ask }] },
        ...(x.answer === undefined ? [] : [{ role: "model", parts: [{ text: x.answer || "…" }] }]),
      ]);
      const config: Record<string, number> = {};
      if (q.maxTokens !== undefined) config.maxOutputTokens = q.maxTokens;
      if (q.temperature !== undefined) config.temperature = q.temperature;
      if (Object.keys(config).length) body.generationConfig = config;
      if (tools.length) body.tools = [{ functionDeclarations: tools }];
    }
  }
  return { path: pathOf(d, q.model, true), body };
}

export interface Piece { text?: string; think?: string; tool?: string; error?: string; input?: number; output?: number }

interface Loose { [name: string]: Loose | undefined }
const str = (v: unknown): string => (typeof v === "string" ? v : "");
const num = (v: unknown): number | undefined => (typeof v === "number" ? v : undefined);
const listOf = (v: unknown): Loose[] => (Array.isArray(v) ? (v as Loose[]) : []);

/** piece reads what one event of a stream adds to the answer. */
export function piece(d: Dialect, data: string): Piece {
  if (data === "[DONE]") return {};
  let e: Loose;
  try {
    e = JSON.parse(data) as Loose;
  } catch {
    return {};
  }
  if (e.error) return { error: str(e.error.message) || data };
  switch (d) {
    case "chat": {
      const delta = listOf(e.choices)[0]?.delta;
      const call = listOf(delta?.tool_calls)[0]?.function;
      return { text: str(delta?.content), think: str(delta?.reasoning_content) || str(delta?.reasoning), tool: call ? (str(call.name) ? str(call.name) + " " : "") + str(call.arguments) : "", input: num(e.usage?.prompt_tokens), output: num(e.usage?.completion_tokens) };
    }
    case "responses":
      switch (str(e.type)) {
        case "response.output_text.delta": return { text: str(e.delta) };
        case "response.reasoning_summary_text.delta": case "response.reasoning_text.delta": return { think: str(e.delta) };
        case "response.output_item.added": return { tool: str(e.item?.type) === "function_call" ? str(e.item?.name) + " " : "" };
        case "response.function_call_arguments.delta": return { tool: str(e.delta) };
        case "response.failed": return { error: str(e.response?.error?.message) || "failed" };
        case "response.completed": case "response.incomplete": return { input: num(e.response?.usage?.input_tokens), output: num(e.response?.usage?.output_tokens) };
      }
      return {};
    case "messages":
      switch (str(e.type)) {
        case "content_block_start": return { tool: str(e.content_block?.type) === "tool_use" ? str(e.content_block?.name) + " " : "" };
        case "content_block_delta": return { text: str(e.delta?.text), think: str(e.delta?.thinking), tool: str(e.delta?.partial_json) };
        case "message_start": return { input: num(e.message?.usage?.input_tokens) };
        case "message_delta": return { input: num(e.usage?.input_tokens), output: num(e.usage?.output_tokens) };
      }
      return {};
    case "gemini": {
      const out: Piece = { text: "", think: "", tool: "", input: num(e.usageMetadata?.promptTokenCount), output: num(e.usageMetadata?.candidatesTokenCount) };
      for (const part of listOf(listOf(e.candidates)[0]?.content?.parts)) {
        if (part.functionCall) out.tool += str(part.functionCall.name) + " " + JSON.stringify(part.functionCall.args ?? {});
        else if (part.thought) out.think += str(part.text);
        else out.text += str(part.text);
      }
      return out;
    }
  }
}
