import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { ApiError, failure, get, send, useGet } from "../api";
import { useMay } from "../context";
import { curl } from "../curl";
import { dialectNames, dialects, piece, question, type Dialect, type Image, type Turn } from "../dialects";
import { ms, usd, whole } from "../format";
import { t } from "../i18n";
import { address, setQuery, useRoute } from "../router";
import { readEvents } from "../sse";
import type { ApiKey, Bodies, Catalogue, RowDetail } from "../types";
import { attempt, say } from "../ui/dialog";
import { Icon } from "../ui/icon";
import { Button, Card, Code, Field, Link, Segments, Text, wording } from "../ui/kit";

interface Answer { text: string; think: string; tool: string; error: string; busy: boolean; ttft?: number; total?: number; input?: number; output?: number; cost?: number; account?: string; id?: string }
const blank: Answer = { text: "", think: "", tool: "", error: "", busy: false };

interface Asked { ask: string; images: Image[]; answers: Answer[] }

export function Playground() {
  const { query } = useRoute();
  const viewer = useMay("viewer"), admin = useMay("admin");
  const models = (query.get("models") ?? "demo").split(",").slice(0, 3);
  const dialect = ((dialects as readonly string[]).includes(query.get("format") ?? "") ? query.get("format") : "chat") as Dialect;
  const catalogue = useGet<Catalogue>("/v1/admin/models");
  const ids = useMemo(() => (catalogue.data?.data ?? []).filter((m) => !m.operation || m.operation === "chat").map((m) => m.id), [catalogue.data]);
  const [system, setSystem] = useState("");
  const [text, setText] = useState("");
  const [images, setImages] = useState<Image[]>([]);
  const [maxTokens, setMax] = useState("");
  const [temperature, setTemperature] = useState("");
  const [tools, setTools] = useState("");
  const [asked, setAsked] = useState<Asked[]>([]);
  const stop = useRef(new AbortController());
  const busy = asked.at(-1)?.answers.some((a) => a.busy) ?? false;

  let toolList: unknown[] = [];
  let toolError = "";
  if (tools.trim()) {
    try {
      const v: unknown = JSON.parse(tools);
      toolList = Array.isArray(v) ? v : [v];
    } catch (e) {
      toolError = e instanceof Error ? e.message : String(e);
    }
  }
  const number = (s: string) => (s.trim() === "" || Number.isNaN(Number(s)) ? undefined : Number(s));
  const requestOf = (model: string, column: number, now: Turn[]) => {
    const turns: Turn[] = [...asked.map((x): Turn => ({ ask: x.ask, images: x.images, answer: x.answers[column]?.text ?? "" })), ...now];
    return question(dialect, { model, system, turns, maxTokens: number(maxTokens), temperature: number(temperature), tools: toolList });
  };
  const setModels = (next: string[]) => setQuery({ models: next.join(",") });

  const replay = query.get("replay");
  useEffect(() => {
    if (!replay) return;
    void attempt(async () => {
      const row = await get<RowDetail>("/v1/admin/usage/logs/" + encodeURIComponent(replay));
      const d = (dialects as readonly string[]).includes(row.dialect ?? "") ? row.dialect : "chat";
      let found = false;
      if (admin) {
        const key = await get<ApiKey>("/v1/admin/api-keys/" + encodeURIComponent(row.api_key_id)).catch(() => null);
        const kept = key?.log_bodies ? await get<Bodies>(`/v1/admin/usage/logs/${row.request_id}/bodies`).catch(() => null) : null;
        const ask = kept && lastQuestion(kept.request);
        if (ask) {
          setText(ask.text);
          setSystem(ask.system);
          found = true;
        }
      }
      if (!found) say(t("play.no_body"), "bad");
      setQuery({ replay: "", models: row.model, format: d === "chat" ? "" : d });
    });
  }, [replay]);

  const run = () => {
    const ask = text.trim();
    if (!ask || busy || toolError) return;
    const now = [{ ask, images }];
    const at = asked.length;
    const requests = models.map((m, i) => requestOf(m, i, now));
    setAsked([...asked, { ask, images, answers: models.map(() => ({ ...blank, busy: true })) }]);
    setText("");
    setImages([]);
    stop.current = new AbortController();
    const { signal } = stop.current;
    requests.forEach((r, column) => {
      const change = (f: (a: Answer) => Answer) => setAsked((all) => all.map((x, n) => (n === at ? { ...x, answers: x.answers.map((a, c) => (c === column ? f(a) : a)) } : x)));
      void stream(r.path, r.body, dialect, signal, change).then(async (id) => {
        if (!id || !viewer) return;
        const row = await get<RowDetail>("/v1/admin/usage/logs/" + id).catch(() => null);
        if (row) change((a) => ({ ...a, cost: row.cost_usd, account: row.account, input: row.prompt_tokens, output: row.completion_tokens }));
      });
    });
  };
  const preview = requestOf(models[0] ?? "demo", 0, [{ ask: text || "…", images }]);
  return (
    <>
      <div class="page-head">
        <h1>{t("nav.playground")}</h1>
        <Segments label={t("models.format")} value={dialect} options={dialects.map((d): [Dialect, string] => [d, dialectNames[d]])} onChange={(v) => setQuery({ format: v === "chat" ? "" : v })} />
        {asked.length > 0 && <Button icon="trash" onClick={() => { stop.current.abort(); setAsked([]); }}>{t("play.clear")}</Button>}
        {models.length < 3 && <Button icon="plus" onClick={() => setModels([...models, ids.find((m) => !models.includes(m)) ?? "demo"])}>{t("play.compare")}</Button>}
      </div>
      <div class="columns">
        {models.map((m, i) => (
          <Card key={i} flush class="column">
            <div class="head">
              <input class="input mono grow" list="chat-models" aria-label={t("play.model", { n: i + 1 })} value={m} onChange={(e) => setModels(models.map((x, n) => (n === i ? e.currentTarget.value.trim() || "demo" : x)))} />
              {models.length > 1 && <Button small kind="quiet" icon="close" label={t("action.remove_one", { name: m })} onClick={() => setModels(models.filter((_, n) => n !== i))} />}
            </div>
            <Talk asked={asked} column={i} />
          </Card>
        ))}
      </div>
      <datalist id="chat-models">{ids.slice(0, 500).map((m) => <option key={m} value={m} />)}</datalist>
      <Card>
        <form class="stack" onSubmit={(e) => { e.preventDefault(); run(); }}>
          <label class="field"><span class="hidden-text">{t("play.prompt")}</span>
            <textarea class="area" rows={3} value={text} placeholder={t("play.prompt_hint")} onInput={(e) => setText(e.currentTarget.value)} onKeyDown={(e) => { if (e.key === "Enter" && !e.shiftKey && !e.isComposing) { e.preventDefault(); run(); } }} />
          </label>
          {images.length > 0 && <div class="chips">{images.map((im, i) => <span class="chip" key={i}><Icon name="image" /> {im.type} · {whole((im.data.length * 3) / 4 / 1024)} KiB<button type="button" aria-label={t("action.remove_one", { name: im.type })} onClick={() => setImages(images.filter((_, n) => n !== i))}>×</button></span>)}</div>}
          <div class="row wrap">
            {busy ? <Button kind="main-action" icon="stop" onClick={() => stop.current.abort()}>{t("play.stop")}</Button> : <Button type="submit" kind="main-action" icon="send" disabled={!text.trim() || toolError !== ""}>{t("play.send")}</Button>}
            <label class="btn"><Icon name="image" />{t("play.image")}<input type="file" class="hidden-text" accept="image/png,image/jpeg,image/webp,image/gif" multiple onChange={(e) => { const el = e.currentTarget; void attempt(async () => { const more = await Promise.all([...(el.files ?? [])].slice(0, 4).map(readImage)); el.value = ""; setImages([...images, ...more]); }); }} /></label>
            <span class="small muted only-wide">{t("play.keys")}</span>
          </div>
          <details>
            <summary>{t("play.params")}</summary>
            <div class="stack">
              <div class="fields">
                <Text name={t("play.system")} value={system} onInput={setSystem} />
                <Text name={t("play.max_tokens")} value={maxTokens} onInput={setMax} type="number" />
                <Text name={t("play.temperature")} value={temperature} onInput={setTemperature} type="number" />
              </div>
              <Field name={t("play.tools")} hint={toolError ? <span class="bad">{toolError}</span> : t("play.tools_hint")}>{(id) => <textarea id={id} class="area mono" rows={4} value={tools} spellcheck={false} placeholder={'[{"name": "weather", "description": "…", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}]'} onInput={(e) => setTools(e.currentTarget.value)} />}</Field>
            </div>
          </details>
          <details><summary>{t("play.curl")}</summary><Code text={curl(location.origin, preview.path, JSON.stringify(preview.body, (_k, v: unknown) => (typeof v === "string" && v.length > 400 ? v.slice(0, 60) + "…" : v)))} label="curl" /></details>
        </form>
      </Card>
    </>
  );
}

function Talk({ asked, column }: { asked: Asked[]; column: number }) {
  const box = useRef<HTMLDivElement>(null);
  const last = asked.at(-1)?.answers[column];
  const length = (last?.text.length ?? 0) + (last?.think.length ?? 0) + (last?.tool.length ?? 0);
  useEffect(() => { const el = box.current; if (el && el.scrollHeight - el.scrollTop - el.clientHeight < 120) el.scrollTop = el.scrollHeight; }, [length, asked.length]);
  return (
    <>
      <div class="answer" ref={box} tabIndex={0} role="log" aria-label={t("play.answer", { n: column + 1 })}>
        {asked.length === 0 && <span class="muted">{t("play.empty")}</span>}
        {asked.map((x, i) => {
          const a = x.answers[column];
          return (
            <div class="turn" key={i}>
              <div class="said">{x.ask}{x.images.length > 0 && <span class="muted"> +{x.images.length} <Icon name="image" size={12} /></span>}</div>
              {a?.think && <span class="think small">{a.think}</span>}
              {a?.text}
              {a?.tool && <pre class="tool">{a.tool}</pre>}
              {a?.error && <div class="note bad">{a.error}</div>}
              {a?.busy && <span class="caret" aria-label={t("play.writing")} role="img" />}
            </div>
          );
        })}
      </div>
      <div class="stats">
        {last && (last.ttft !== undefined || last.total !== undefined) ? (
          <>
            <span>TTFT <b>{ms(last.ttft)}</b></span>
            {last.total !== undefined && <span>{t("play.total")} <b>{ms(last.total)}</b></span>}
            {last.output !== undefined && last.total !== undefined && last.ttft !== undefined && last.total > last.ttft && <span><b>{whole((last.output / (last.total - last.ttft)) * 1000)}</b> tok/s</span>}
            {last.output !== undefined && <span><b>{whole(last.input)}</b> → <b>{whole(last.output)}</b> tok</span>}
            {last.cost !== undefined && <span><b>{usd(last.cost)}</b></span>}
            {last.account && <span class="clip">{last.account}</span>}
            {last.id && <Link to={address("requests", { id: last.id })}>{t("label.request")}</Link>}
          </>
        ) : <span>{t("play.stats")}</span>}
      </div>
    </>
  );
}

/** stream asks and tells change of each part of the answer; it returns the request's id. */
async function stream(path: string, body: Record<string, unknown>, d: Dialect, signal: AbortSignal, change: (f: (a: Answer) => Answer) => void): Promise<string> {
  const start = performance.now();
  let id = "";
  try {
    const res = await send("POST", path, JSON.stringify(body), signal, "text/event-stream");
    id = res.headers.get("x-request-id") ?? "";
    if (!res.ok || !res.body) throw await failure(res);
    await readEvents(res.body, (e) => {
      const p = piece(d, e.data);
      const at = performance.now() - start;
      change((a) => ({
        ...a, id, text: a.text + (p.text ?? ""), think: a.think + (p.think ?? ""), tool: a.tool + (p.tool ?? ""), error: p.error ?? a.error,
        ttft: a.ttft ?? (p.text || p.think || p.tool ? at : undefined), input: p.input ?? a.input, output: p.output ?? a.output,
      }));
    });
  } catch (e) {
    const text = signal.aborted ? t("play.stopped") : e instanceof ApiError ? wording(e) : t("error.unreachable");
    change((a) => ({ ...a, error: text }));
  }
  change((a) => ({ ...a, id, busy: false, total: performance.now() - start }));
  return id;
}

const largestImage = 8 << 20;

function readImage(f: File): Promise<Image> {
  if (f.size > largestImage) return Promise.reject(new Error(t("play.image_large")));
  return new Promise((done, failed) => {
    const r = new FileReader();
    r.onload = () => done({ type: f.type, data: String(r.result).replace(/^data:[^,]*,/, "") });
    r.onerror = () => failed(r.error ?? new Error(f.name));
    r.readAsDataURL(f);
  });
}

/** lastQuestion finds what was asked last in a request of any of the formats. */
export function lastQuestion(body: string): { text: string; system: string } | null {
  interface Part { text?: unknown; role?: unknown; content?: unknown; parts?: unknown }
  const words = (v: unknown): string => (typeof v === "string" ? v : Array.isArray(v) ? (v as Part[]).map((p) => (typeof p.text === "string" ? p.text : "")).filter(Boolean).join("\n") : "");
  let b: { [name: string]: unknown };
  try {
    b = JSON.parse(body) as { [name: string]: unknown };
  } catch {
    return null;
  }
  if (typeof b.input === "string") return { text: b.input, system: words(b.instructions) };
  const list = (b.messages ?? b.input ?? b.contents) as Part[] | undefined;
  if (!Array.isArray(list)) return null;
  const users = list.filter((m) => m.role === "user" || m.role === undefined);
  const last = users.at(-1);
  if (!last) return null;
  const system = list.find((m) => m.role === "system" || m.role === "developer");
  const instruction = b.systemInstruction as Part | undefined;
  return { text: words(last.content ?? last.parts), system: words(b.system) || words(b.instructions) || words(system?.content) || words(instruction?.parts) };
}
