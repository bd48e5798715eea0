// One request: how it went, why it went there, what it cost.
import { useState } from "preact/hooks";
import { get, post, useGet } from "../api";
import { useMay } from "../context";
import { curl, pathOf } from "../curl";
import { exact, exactUsd, ms, price, size, usd, whole } from "../format";
import { named, t } from "../i18n";
import { address, go, setQuery } from "../router";
import type { Bodies, InFlight, Row, RowDetail, UnreachableNode } from "../types";
import { attempt, Dialog, say } from "../ui/dialog";
import { Button, Code, Copy, Failure, Outcome, Skeleton } from "../ui/kit";

const operationPaths: Record<string, string> = { completions: "/v1/completions", embeddings: "/v1/embeddings", images: "/v1/images/generations", audio: "/v1/audio/speech", moderations: "/v1/moderations", rerank: "/v1/rerank" };

/** commandOf writes the request as curl: what was kept of it, else one of the same kind. */
export function commandOf(r: Row, kept: Bodies | null): string {
  if (kept && kept.request_size === new TextEncoder().encode(kept.request).length) return curl(location.origin, kept.path, kept.request);
  const dialect = r.dialect ?? "chat";
  const path = operationPaths[r.operation] ?? pathOf(dialect, r.model, r.stream);
  const say = "…";
  const body: Record<string, unknown> = operationPaths[r.operation] ? { model: r.model, input: say }
    : dialect === "gemini" ? { contents: [{ role: "user", parts: [{ text: say }] }] }
    : dialect === "responses" ? { model: r.model, input: say }
    : { model: r.model, ...(dialect === "messages" ? { max_tokens: 1024 } : {}), messages: [{ role: "user", content: say }] };
  if (r.stream && dialect !== "gemini") body.stream = true;
  return curl(location.origin, path, JSON.stringify(body));
}

export function Drawer(p: { id: string; onClose: () => void }) {
  const { data: r, error, reload } = useGet<RowDetail>("/v1/admin/usage/logs/" + encodeURIComponent(p.id));
  const admin = useMay("admin");
  const [kept, setKept] = useState<Bodies | null>(null);
  const running = error?.status === 404;
  const flight = useGet<InFlight>(running ? "/v1/admin/requests" : null);
  const run = flight.data?.data.find((e) => e.request_id === p.id);
  const cancel = () => void attempt(async () => { await post(`/v1/admin/requests/${encodeURIComponent(p.id)}/cancel`); say(t("request.cancelled")); });
  const tools = r && (
    <>
      <Copy text={commandOf(r, kept)} label={t("request.curl")} word={t("request.curl")} kind="" />
      <Button small icon="play" onClick={() => go(address("playground", { replay: r.request_id }))}>{t("request.replay")}</Button>
    </>
  );
  return (
    <Dialog kind="drawer" label={t("label.request")} title={<span class="row"><span class="mono">{p.id.length > 8 ? "…" + p.id.slice(-8) : p.id}</span><Copy text={r?.request_id ?? p.id} label={t("action.copy_id")} /></span>} onClose={p.onClose} tools={tools}>
      {running ? <div class="note"><span class="grow">{run?.node ? t("request.running_at", { node: run.node }) : t("request.running")}</span>{admin && <Button small kind="danger" onClick={cancel}>{t("request.cancel")}</Button>}<Button small onClick={reload}>{t("action.retry")}</Button></div> : error && <Failure error={error} retry={reload} />}
      {running && !run && <Silent nodes={flight.data?.unreachable} />}
      {!r && !error && <Skeleton lines={8} />}
      {r && <Detail r={r} kept={kept} onKept={setKept} admin={admin} />}
    </Dialog>
  );
}

/** Silent names the gateways whose requests in flight are not known, since they do not answer. */
export function Silent(p: { nodes?: UnreachableNode[] }) {
  return <>{p.nodes?.map((n) => <p class="small warn" key={n.node} title={n.url} role="status">{t("requests.silent", { node: n.node, error: n.error })}</p>)}</>;
}

function Detail({ r, kept, onKept, admin }: { r: RowDetail; kept: Bodies | null; onKept: (b: Bodies) => void; admin: boolean }) {
  const speed = r.stream && r.ttft_ms !== null && r.duration_ms > r.ttft_ms && r.completion_tokens > 0 ? (r.completion_tokens / (r.duration_ms - r.ttft_ms)) * 1000 : null;
  const filter = (name: string, value: string, shown = value) => <button type="button" class="linklike" title={t("request.filter")} onClick={() => setQuery({ id: "", [name]: value }, true)}>{shown}</button>;
  return (
    <>
      <div class="tiles tight">
        <div class="tile"><div class="label">{t("col.outcome")}</div><div class="value"><Outcome status={r.status} reason={r.end_reason} /></div><div class="sub">{named("reason.", r.end_reason)}</div></div>
        <div class="tile"><div class="label">{t("col.latency")}</div><div class="value">{ms(r.duration_ms)}</div><div class="sub">{t("request.ttft", { ttft: ms(r.ttft_ms) })}{speed ? " · " + whole(speed) + " tok/s" : ""}</div></div>
        <div class="tile"><div class="label">{t("col.cost")}</div><div class="value">{usd(r.cost_usd)}</div><div class="sub">{t("tile.in_out", { input: whole(r.prompt_tokens), output: whole(r.completion_tokens) })}</div></div>
      </div>
      {r.error && <div class="note bad">{r.error}</div>}
      <section class="section">
        <h3>{t("request.attempts")}</h3>
        <Waterfall r={r} />
      </section>
      <section class="section">
        <h3>{t("request.why_cost")}</h3>
        <CostLines r={r} />
      </section>
      <section class="section">
        <h3>{t("request.facts")}</h3>
        <dl class="pairs">
          <dt>{t("col.time")}</dt><dd>{exact(r.time)}</dd>
          <dt>{t("col.key")}</dt><dd>{filter("key", r.api_key_id, r.api_key_name || r.api_key_id)}{r.group && <span class="muted"> · {r.group}</span>}</dd>
          <dt>{t("col.model")}</dt><dd class="mono">{filter("model", r.model)}</dd>
          <dt>{t("col.upstream")}</dt><dd class="mono">{r.provider ? <>{r.provider} / {filter("account", r.account)} / {r.upstream_model}</> : "–"}</dd>
          {r.node && <><dt>{t("col.node")}</dt><dd class="mono">{r.node}</dd></>}
          <dt>{t("request.format")}</dt><dd>{r.operation}{r.dialect ? " · " + r.dialect : ""}{r.stream ? " · " + t("request.stream") : ""}</dd>
          <dt>{t("request.overhead")}</dt><dd>{ms(r.overhead_us / 1000)}</dd>
          {r.end_user && <><dt>{t("by.end_user")}</dt><dd>{r.end_user}</dd></>}
          {r.client_request_id && <><dt>{t("request.client_id")}</dt><dd class="mono">{r.client_request_id}</dd></>}
          {r.upstream_request_id && <><dt>{t("request.upstream_id")}</dt><dd class="mono">{r.upstream_request_id}</dd></>}
          {Object.entries(r.metadata ?? {}).map(([k, v]) => <><dt class="mono">{k}</dt><dd>{v}</dd></>)}
          {r.flags?.length ? <><dt>{t("request.flags")}</dt><dd>{r.flags.join(", ")}</dd></> : null}
        </dl>
      </section>
      <section class="section">
        <h3>{t("request.trace")}</h3>
        <ol class="trace">{r.trace.map((line, i) => <li key={i}>{line}</li>)}</ol>
      </section>
      {admin && <Kept r={r} kept={kept} onKept={onKept} />}
    </>
  );
}

function Waterfall({ r }: { r: RowDetail }) {
  const total = Math.max(1, r.duration_ms, ...r.attempts.map((a) => a.start_ms + a.duration_ms));
  const part = (v: number) => (v / total) * 100 + "%";
  if (r.attempts.length === 0) return <span class="muted">{t("request.no_attempts")}</span>;
  return (
    <div class="fall">
      {r.attempts.map((a, i) => {
        const good = a.outcome === "ok";
        const used = a.usage_source ? t("request.attempt_used", { input: whole(a.prompt_tokens ?? 0), output: whole(a.completion_tokens ?? 0), cost: exactUsd(a.cost_usd) }) : "";
        const first = good && r.ttft_ms !== null ? Math.max(0, Math.min(a.duration_ms, r.ttft_ms - a.start_ms)) : 0;
        return (
          <div class="try" key={i} title={[a.error, used].filter(Boolean).join("\n")}>
            <span class="clip"><b class="strong">{a.account}</b> <span class="muted mono">{a.model}</span></span>
            <span class="lane" role="img" aria-label={[t("request.attempt", { n: i + 1, outcome: a.outcome, start: ms(a.start_ms), time: ms(a.duration_ms) }), used].filter(Boolean).join(". ")}>
              <i class={good ? (first ? "wait" : "") : "bad"} style={{ left: part(a.start_ms), width: part(first || a.duration_ms) }} />
              {first > 0 && <i style={{ left: part(a.start_ms + first), width: part(a.duration_ms - first) }} />}
            </span>
            <span class={"num small " + (good ? "muted" : "bad")}>{good ? ms(a.duration_ms) : a.status || named("outcome.", a.outcome)}{r.attempts.length > 1 && a.cost_usd !== 0 && <><br /><span class="muted">{usd(a.cost_usd)}</span></>}</span>
          </div>
        );
      })}
    </div>
  );
}

function CostLines({ r }: { r: RowDetail }) {
  const lines = r.cost_lines;
  const plain = Math.max(0, r.prompt_tokens - r.cache_read_tokens - r.cache_write_tokens);
  return (
    <>
      <table>
        <thead><tr><th scope="col">{t("cost.kind")}</th><th scope="col" class="num">{t("cost.units")}</th><th scope="col" class="num">{t("cost.rate")}</th><th scope="col" class="num">{t("col.cost")}</th></tr></thead>
        <tbody>
          {lines ? lines.map((l, i) => <tr key={i}><td>{l.attempt ? t("cost.attempt", { n: l.attempt }) + " · " : ""}{named("cost.", l.kind)}{l.note && <span class="muted small"> {l.note}</span>}</td><td class="num">{l.units ? whole(l.units) : ""}</td><td class="num">{l.usd_per_million ? price(l.usd_per_million) : ""}</td><td class="num">{usd(l.cost_usd)}</td></tr>)
            : ([["cost.input", plain], ["cost.cache_read", r.cache_read_tokens], ["cost.cache_write", r.cache_write_tokens], ["cost.output", r.completion_tokens]] as const).filter(([, n]) => n > 0).map(([word, n]) => <tr key={word}><td>{t(word)}</td><td class="num">{whole(n)}</td><td /><td /></tr>)}
        </tbody>
        <tfoot><tr><td>{t("label.total")}</td><td /><td /><td class="num">{exactUsd(r.cost_usd)}</td></tr></tfoot>
      </table>
      <p class="small muted">{t("cost.from", { source: named("price.", r.price_source || "none"), version: r.price_version || "–", usage: named("source.", r.usage_source) })}{r.cost_note && " " + r.cost_note}{r.charged_usd !== r.cost_usd && " " + t("cost.markup", { charged: exactUsd(r.charged_usd) })}</p>
    </>
  );
}

function Kept(p: { r: RowDetail; kept: Bodies | null; onKept: (b: Bodies) => void }) {
  const load = () => void attempt(async () => p.onKept(await get<Bodies>(`/v1/admin/usage/logs/${p.r.request_id}/bodies`)));
  return (
    <section class="section">
      <h3>{t("request.bodies")}</h3>
      {!p.kept ? <div class="row wrap"><Button small onClick={load}>{t("request.load_bodies")}</Button><span class="small muted">{t("request.bodies_hint")}</span></div> : (
        <>
          <span class="small muted">{p.kept.path} · {size(p.kept.request_size)} → {size(p.kept.answer_size)}</span>
          <Code text={pretty(p.kept.request)} label={t("request.body")} />
          <Code text={pretty(p.kept.answer)} label={t("request.answer")} />
        </>
      )}
    </section>
  );
}

/** pretty indents JSON and leaves anything else as it is. */
export function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
