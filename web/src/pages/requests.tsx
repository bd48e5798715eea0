import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { ApiError, get, useGet } from "../api";
import { clock, exact, minute, ms, whole } from "../format";
import { fields, parse, requestId, type Field, type Filters } from "../filters";
import { named, t } from "../i18n";
import { live } from "../live";
import { setQuery, useRoute } from "../router";
import { Rows } from "../rows";
import type { ApiKey, InFlight, LiveEvent, Page, Row } from "../types";
import { Button, Empty, Failure, Select, Skeleton, State } from "../ui/kit";
import { Chooser, chosen, least, template } from "./columns";
import { Drawer, Silent } from "./request";

const height = 36;
const pageLength = 200;

export function Requests() {
  const { query } = useRoute();
  const follow = query.get("follow") !== "0" && !query.get("since");
  const filters = useMemo(() => {
    const f: Filters = {};
    for (const name of fields) { const v = query.get(name); if (v) f[name] = v; }
    return f;
  }, [query.toString()]);
  const since = query.get("since") ?? "", until = query.get("until") ?? "";
  const select = JSON.stringify([filters, since, until]);

  const rows = useRef(new Rows());
  const cursor = useRef<string | null>("");
  const reading = useRef(false);
  const [, redraw] = useState(0);
  const draw = () => redraw((n) => n + 1);
  const [error, fail] = useState<ApiError | null>(null);
  const [first, setFirst] = useState(true);
  const [lookedTo, setLooked] = useState(""); // where a search came to its bound
  const stop = useRef(new AbortController());

  const more = async () => {
    if (reading.current || cursor.current === null) return;
    reading.current = true;
    const { signal } = stop.current;
    try {
      const p = await get<Page<Row>>("/v1/admin/usage/logs", { ...filters, since, until, limit: pageLength, cursor: cursor.current }, signal);
      rows.current.read(p.data);
      cursor.current = p.next_cursor || null;
      setLooked(p.partial ? (p.looked_to ?? "") : "");
      fail(null);
    } catch (e) {
      if (signal.aborted) return;
      if (e instanceof ApiError) fail(e);
      cursor.current = null;
    } finally {
      if (!signal.aborted) {
        reading.current = false;
        setFirst(false);
        draw();
      }
    }
  };
  useEffect(() => {
    stop.current.abort();
    stop.current = new AbortController();
    rows.current = new Rows();
    cursor.current = "";
    reading.current = false;
    setFirst(true);
    void more();
    return () => stop.current.abort();
  }, [select]);

  // What is heard waits while the list is scrolled down, so that it does not move under the eye.
  const box = useRef<HTMLDivElement>(null);
  const waiting = useRef<LiveEvent[]>([]);
  const [held, setHeld] = useState(0);
  const release = () => {
    for (const e of waiting.current.splice(0)) rows.current.hear(e, filters);
    if (rows.current.trim()) cursor.current = null;
    setHeld(0);
    draw();
  };
  useEffect(() => {
    if (!follow) return;
    const unhear = live().hear((e) => {
      if (waiting.current.length < 5000) waiting.current.push(e);
    });
    const timer = setInterval(() => {
      if (waiting.current.length === 0) return;
      if ((box.current?.scrollTop ?? 0) > height) setHeld(waiting.current.filter((e) => e.type === "finished").length);
      else release();
    }, 250);
    return () => {
      unhear();
      clearInterval(timer);
      waiting.current = [];
      rows.current.running.clear();
    };
  }, [follow, select]);

  const flight = useGet<InFlight>(follow ? "/v1/admin/requests" : null, 15_000);
  const open = (id: string) => setQuery({ id }, true);
  const columns = chosen(query.get("cols"));
  const further = lookedTo && <><span>{t("requests.looked")} <span title={exact(lookedTo)}>{minute(lookedTo)}</span></span> <Button small onClick={() => void more()}>{t("requests.further")}</Button></>;
  return (
    <>
      <div class="page-head">
        <h1>{t("nav.requests")}</h1>
        <QueryBar filters={filters} since={since} until={until} onId={open} />
        <Chooser shown={columns} />
        <Button kind={follow ? "main-action" : ""} icon={follow ? "pause" : "play"} pressed={follow} onClick={() => setQuery({ follow: follow ? "0" : "", since: "", until: "" })}>{t(follow ? "requests.following" : "requests.follow")}</Button>
      </div>
      {error && <Failure error={error} retry={() => { cursor.current = ""; void more(); }} />}
      {rows.current.missed > 0 && <p class="small warn">{t("requests.missed", { n: whole(rows.current.missed) })}</p>}
      {[...rows.current.gone].map(([node, n]) => <p class="small warn" key={node}>{t("requests.gone", { node, n: whole(n) })}</p>)}
      {follow && <Silent nodes={flight.data?.unreachable} />}
      <section class="card wide-list" style={{ "--columns": template(columns), "--least": least(columns) }}>
        <div class="vhead" aria-hidden="true">{columns.map((c) => <span key={c.id} class={c.num ? "num" : ""}>{t(c.word)}</span>)}</div>
        {first ? <Skeleton lines={10} /> : <List rows={rows.current} columns={columns} box={box} more={() => void more()} further={further} selected={query.get("id")} onOpen={open} onTop={() => { if (waiting.current.length) release(); }} held={held} />}
      </section>
      <p class="small muted row wrap" role="status"><span>{t("requests.shown", { n: whole(rows.current.finished.length) })}{cursor.current === null || further ? "" : " · " + t("requests.more")}</span>{rows.current.finished.length > 0 && further}</p>
      {query.get("id") && <Drawer id={query.get("id") ?? ""} onClose={() => setQuery({ id: "" })} />}
    </>
  );
}

function QueryBar(p: { filters: Filters; since: string; until: string; onId: (id: string) => void }) {
  const [text, set] = useState("");
  const keys = useGet<Page<ApiKey>>(p.filters.key ? "/v1/admin/api-keys?limit=500" : null);
  const keyName = (id: string) => keys.data?.data.find((k) => k.id === id)?.name ?? id;
  const enter = () => {
    const id = requestId(text);
    if (id) { set(""); return p.onId(id); }
    const { filters, rest } = parse(text);
    if (Object.keys(filters).length || rest) setQuery({ ...filters, ...(rest ? { q: rest } : {}) }, true);
    set("");
  };
  return (
    <div class="querybar">
      {fields.map((f) => { const v = p.filters[f]; return v && <span class="chip accent" key={f}>{named("by.", f)}: {f === "key" ? keyName(v) : shownOf(f, v)}<button type="button" aria-label={t("action.remove_one", { name: v })} onClick={() => setQuery({ [f]: "" }, true)}>×</button></span>; })}
      {p.since && <span class="chip accent">{minute(p.since)} – {p.until ? minute(p.until) : ""}<button type="button" aria-label={t("action.remove_one", { name: t("col.time") })} onClick={() => setQuery({ since: "", until: "" }, true)}>×</button></span>}
      <input data-filter value={text} placeholder={t("requests.query")} aria-label={t("requests.query")} spellcheck={false} autoComplete="off" onInput={(e) => set(e.currentTarget.value)} onKeyDown={(e) => { if (e.key === "Enter") enter(); }} />
      <Select bare name={t("requests.outcome")} value={p.filters.status ?? ""} options={[["", t("requests.all")], ["error", t("requests.failed")], ["2xx", "2xx"], ["4xx", "4xx"], ["5xx", "5xx"]]} onChange={(v) => setQuery({ status: v }, true)} />
    </div>
  );
}

function List(p: { rows: Rows; columns: ReturnType<typeof chosen>; further: ComponentChildren; box: { current: HTMLDivElement | null }; more: () => void; selected: string | null; onOpen: (id: string) => void; onTop: () => void; held: number }) {
  const [top, scroll] = useState(0);
  const [tall, resize] = useState(600);
  useEffect(() => {
    const el = p.box.current;
    if (!el) return;
    const watch = new ResizeObserver(() => resize(el.clientHeight));
    watch.observe(el);
    return () => watch.disconnect();
  }, []);
  const running = [...p.rows.running.values()].reverse();
  const total = running.length + p.rows.finished.length;
  const from = Math.max(0, Math.floor(top / height) - 8), to = Math.min(total, Math.ceil((top + tall) / height) + 8);
  useEffect(() => { if (to > total - 30) p.more(); }, [to, total]);
  const move = (by: number, at: number) => {
    const el = p.box.current;
    const next = Math.max(0, Math.min(total - 1, at + by));
    el?.querySelector<HTMLElement>(`[data-at="${next}"]`)?.focus();
  };
  const slowest = useMemo(() => Math.max(1, ...p.rows.finished.slice(0, 300).map((r) => r.duration_ms).sort((a, b) => a - b).slice(0, 285)), [p.rows.finished.length > 0, Math.floor(total / 50)]);
  const items = [];
  for (let i = from; i < to; i++) {
    const run = i < running.length ? running[i] : undefined;
    const row = run ? undefined : p.rows.finished[i - running.length];
    const id = run?.request_id ?? row?.request_id;
    if (!id) continue;
    items.push(
      <div key={id} role="listitem" data-at={i} tabIndex={0} class={"vrow" + (run ? " running" : "") + (row && Date.now() - Date.parse(row.time) - row.duration_ms < 2500 ? " fresh" : "")} data-open={p.selected === id} style={{ top: i * height + "px" }}
        onClick={() => p.onOpen(id)}
        onKeyDown={(e) => {
          if (e.key === "Enter") p.onOpen(id);
          else if (e.key === "ArrowDown" || e.key === "j") { e.preventDefault(); move(1, i); }
          else if (e.key === "ArrowUp" || e.key === "k") { e.preventDefault(); move(-1, i); }
        }}>
        {run ? <RunningCells e={run} columns={p.columns} /> : row && p.columns.map((c) => <span key={c.id} class={(c.num ? "num " : "clip ") + (c.narrow ? "" : "opt")} title={c.title?.(row)}>{c.cell(row, slowest)}</span>)}
      </div>,
    );
  }
  return (
    <div class="vlist" ref={p.box} role="list" aria-label={t("nav.requests")} tabIndex={total ? undefined : 0} onScroll={(e) => { const y = e.currentTarget.scrollTop; scroll(y); if (y <= height) p.onTop(); }}>
      {p.held > 0 && <button type="button" class="btn sm main-action held" onClick={() => { p.box.current?.scrollTo({ top: 0 }); }}>{t("requests.held", { n: whole(p.held) })}</button>}
      {total === 0 && p.further ? <Empty text={t("requests.none_yet")}>{p.further}</Empty> : total === 0 ? <Empty text={t("requests.empty")}><span class="mono small">ai-gateway chat --model demo hello</span></Empty> : <div class="pad" style={{ height: total * height + "px" }}>{items}</div>}
    </div>
  );
}

/** shownOf is how a filter's value is told. */
const shownOf = (f: Field, v: string): string => (f === "end_reason" ? named("reason.", v) : f === "min_duration_ms" ? "≥ " + ms(Number(v)) : v);

function RunningCells({ e, columns }: { e: LiveEvent; columns: ReturnType<typeof chosen> }) {
  const cells: Record<string, ComponentChildren> = {
    time: <span class="mono">{clock(e.accepted_at ?? e.time)}</span>, key: e.api_key_name || "–", operation: e.operation, account: e.account, node: e.node,
    model: <span class="mono">{e.model}{e.upstream_model && e.upstream_model !== e.model && <span class="muted"> → {e.upstream_model}</span>}</span>,
    outcome: <State of="running" />, ttft: e.ttft_ms ? ms(e.ttft_ms) : "", latency: <span class="num wide-cell">{e.ttft_ms ? ms(e.ttft_ms) : "…"}</span>,
  };
  return <>{columns.map((c) => <span key={c.id} class={(c.num ? "num " : "clip ") + (c.narrow ? "" : "opt")}>{cells[c.id]}</span>)}</>;
}
