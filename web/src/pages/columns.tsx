// The columns that the list of requests may have.
import type { ComponentChildren } from "preact";
import { clock, count, minute, ms, usd, whole } from "../format";
import { t, type Key } from "../i18n";
import { setQuery } from "../router";
import { stored } from "../theme";
import type { Row } from "../types";
import { Icon } from "../ui/icon";
import { Outcome } from "../ui/kit";

interface Column {
  id: string;
  word: Key;
  width: string; // of the grid
  narrow?: boolean; // also on a phone
  num?: boolean;
  cell: (r: Row, slowest: number) => ComponentChildren;
  title?: (r: Row) => string | undefined;
}

const day = 86_400_000;

export const columns: Column[] = [
  { id: "time", word: "col.time", width: "76px", narrow: true, title: (r) => minute(r.time), cell: (r) => <span class="muted mono">{Date.now() - Date.parse(r.time) > day ? minute(r.time) : clock(r.time)}</span> },
  { id: "key", word: "col.key", width: "minmax(96px, 1fr)", title: (r) => r.api_key_name, cell: (r) => r.api_key_name || r.api_key_id || "–" },
  {
    id: "model", word: "col.model", width: "minmax(150px, 1.7fr)", narrow: true, title: (r) => `${r.model} → ${r.account} ${r.upstream_model}`,
    cell: (r) => <span class="mono">{r.model}{r.upstream_model && r.upstream_model !== r.model && <span class="muted"> → {r.upstream_model}</span>}{r.attempts.length > 1 && <span class="warn"> ×{r.attempts.length}</span>}</span>,
  },
  { id: "account", word: "by.account", width: "minmax(80px, 0.8fr)", title: (r) => r.provider, cell: (r) => r.account || "–" },
  { id: "operation", word: "by.operation", width: "92px", title: (r) => r.dialect, cell: (r) => r.operation },
  { id: "node", word: "col.node", width: "minmax(96px, 0.8fr)", title: (r) => r.node, cell: (r) => r.node || "–" },
  { id: "end_user", word: "by.end_user", width: "minmax(80px, 0.8fr)", title: (r) => r.end_user, cell: (r) => r.end_user || "–" },
  { id: "outcome", word: "col.outcome", width: "92px", narrow: true, cell: (r) => <Outcome status={r.status} reason={r.end_reason} /> },
  { id: "error", word: "col.error", width: "minmax(120px, 1.5fr)", title: (r) => r.error, cell: (r) => <span class="bad">{r.error}</span> },
  { id: "input", word: "col.input", width: "76px", num: true, cell: (r) => count(r.prompt_tokens) },
  { id: "cached", word: "col.cached", width: "76px", num: true, cell: (r) => count(r.cache_read_tokens) },
  { id: "output", word: "col.output", width: "76px", num: true, cell: (r) => count(r.completion_tokens) },
  { id: "cost", word: "col.cost", width: "104px", num: true, cell: (r) => usd(r.cost_usd) },
  { id: "ttft", word: "col.ttft", width: "76px", num: true, cell: (r) => ms(r.ttft_ms) },
  { id: "speed", word: "col.speed", width: "76px", num: true, cell: (r) => whole(speedOf(r)) },
  { id: "overhead", word: "request.overhead", width: "92px", num: true, cell: (r) => ms(r.overhead_us / 1000) },
  {
    id: "latency", word: "col.latency", width: "minmax(116px, 160px)", narrow: true, title: (r) => t("requests.split", { ttft: ms(r.ttft_ms), total: ms(r.duration_ms) }),
    cell: (r, slowest) => {
      const wait = Math.min(r.ttft_ms ?? r.duration_ms, r.duration_ms);
      const part = (v: number) => Math.min(100, (v / slowest) * 100) + "%";
      return <span class="lat"><span class="track only-wide"><i class="wait" style={{ width: part(wait) }} /><i class="gen" style={{ width: part(r.duration_ms - wait) }} /></span><span class="num">{ms(r.duration_ms)}</span></span>;
    },
  },
];

const usual = ["time", "key", "model", "outcome", "input", "output", "cost", "latency"];
const always = ["time", "model", "outcome"]; // a row without these says nothing

/** speedOf is the tokens a second of a streamed answer after its first token, or undefined. */
export function speedOf(r: Row): number | undefined {
  const span = r.duration_ms - (r.ttft_ms ?? r.duration_ms);
  return r.stream && span > 0 && r.completion_tokens > 0 ? (r.completion_tokens / span) * 1000 : undefined;
}

/** chosen are the columns that an address asks for, or those of the last time. */
export function chosen(asked: string | null): Column[] {
  const names = (asked ?? stored.get("columns") ?? "").split(",").filter(Boolean);
  const want = new Set(names.length ? [...names, ...always] : usual);
  return columns.filter((c) => want.has(c.id));
}

/** template is the grid that a row of these columns has. */
export const template = (list: Column[]): string => list.map((c) => c.width).join(" ");

/** least is how wide such a row is at least, in pixels: its columns, the gaps and the edges. */
export const least = (list: Column[]): string => list.reduce((n, c) => n + Number(/\d+/.exec(c.width)?.[0] ?? 0) + 12, 16) + "px";

export function Chooser({ shown }: { shown: Column[] }) {
  const have = new Set(shown.map((c) => c.id));
  const toggle = (id: string) => {
    const next = columns.map((c) => c.id).filter((c) => (c === id ? !have.has(c) : have.has(c))).join(",");
    stored.set("columns", next === usual.join(",") ? "" : next);
    setQuery({ cols: next === usual.join(",") ? "" : next });
  };
  return (
    <details class="menu only-wide" onKeyDown={(e) => { if (e.key === "Escape") { e.currentTarget.open = false; e.currentTarget.querySelector("summary")?.focus(); } }}
      onFocusOut={(e) => { if (e.relatedTarget instanceof Node && !e.currentTarget.contains(e.relatedTarget)) e.currentTarget.open = false; }}>
      <summary class="btn"><Icon name="settings" />{t("requests.columns")}</summary>
      <div class="menu-body">{columns.map((c) => <label class="check" key={c.id}><input type="checkbox" checked={have.has(c.id)} disabled={always.includes(c.id)} onChange={() => toggle(c.id)} />{t(c.word)}</label>)}</div>
    </details>
  );
}
