import { useState } from "preact/hooks";
import { get, useGet, withQuery } from "../api";
import { count, delta, exactUsd, inText, ms, price, share, usd, whole } from "../format";
import { download } from "../download";
import { csv } from "../filters";
import { named, t, type Key } from "../i18n";
import { address, go, setQuery, useRoute } from "../router";
import type { Catalogue, Group, Overview, Sums, Usage as Data } from "../types";
import { Chart } from "../ui/chart";
import { Dialog, attempt } from "../ui/dialog";
import { Button, Card, Empty, Failure, Segments, Select, Skeleton, rowKeys } from "../ui/kit";
import { RangePicker, rangeOf } from "../ui/range";
import { linesOf, runs } from "./overview";

const groupings = ["model", "key", "provider", "account", "group", "owner", "end_user", "end_reason", "day", "hour"] as const;
const measures = ["cost", "requests", "errors"] as const;
type Measure = (typeof measures)[number];

const columns: { id: string; word: Key; of: (s: Sums) => number; show: (v: number, s: Sums) => string; narrow?: boolean }[] = [
  { id: "requests", word: "col.requests", of: (s) => s.requests, show: whole, narrow: true },
  { id: "errors", word: "col.errors", of: (s) => (s.requests ? s.errors / s.requests : 0), show: (_, s) => share(s.errors, s.requests) },
  { id: "input", word: "col.input", of: (s) => s.prompt_tokens, show: count },
  { id: "cached", word: "col.cached", of: (s) => (s.prompt_tokens ? s.cache_read_tokens / s.prompt_tokens : 0), show: (_, s) => share(s.cache_read_tokens, s.prompt_tokens) },
  { id: "output", word: "col.output", of: (s) => s.completion_tokens, show: count },
  { id: "p95", word: "col.p95", of: (s) => s.latency_ms?.p95 ?? -1, show: (_, s) => ms(s.latency_ms?.p95) },
  { id: "ttft", word: "col.ttft", of: (s) => s.ttft_ms?.p50 ?? -1, show: (_, s) => ms(s.ttft_ms?.p50) },
  { id: "cost", word: "col.cost", of: (s) => s.cost_usd, show: usd, narrow: true },
  { id: "charged", word: "col.charged", of: (s) => s.charged_usd, show: usd },
];

const nameOf = (g: Group, by: string): string => String((by === "key" ? g.key_name : undefined) ?? g[by] ?? "");

export function Usage() {
  const { query } = useRoute();
  const range = rangeOf(query, "7d");
  const by = query.get("by") ?? "model";
  const compare = query.get("compare") === "1";
  const measure = (measures as readonly string[]).includes(query.get("show") ?? "") ? (query.get("show") as Measure) : "cost";
  const sort = query.get("sort") ?? (by === "day" || by === "hour" ? "" : "cost");
  const filter = { key: query.get("key") ?? "", model: query.get("model") ?? "", provider: query.get("provider") ?? "", account: query.get("account") ?? "" };
  const path = withQuery("/v1/admin/usage", { ...range, ...filter, group_by: by, compare });
  const { data, error, loading, reload } = useGet<Data>(path);
  const charted = (["model", "key", "provider", "account", "group", "end_reason"] as string[]).includes(by) ? by : "model";
  const over = useGet<Overview>(withQuery("/v1/admin/overview", { ...range, ...filter, by: charted }));
  const [why, ask] = useState<Group | null>(null);
  const [shown, show] = useState(100); // rows: more are drawn on demand

  const column = columns.find((c) => c.id === sort);
  const rows = [...(data?.data ?? [])];
  if (column) rows.sort((a, b) => column.of(b) - column.of(a));
  const before = new Map((data?.previous?.data ?? []).map((g) => [String(g[by] ?? ""), g]));
  const file = `usage-${by}-${(data?.since ?? "").slice(0, 10)}-${(data?.until ?? "").slice(0, 10)}`;
  const save = () => download(file + ".csv", "text/csv", csv([by, ...columns.map((c) => c.id)], rows.map((g) => [nameOf(g, by), ...columns.map((c) => c.of(g))])));
  const drill = (g: Group) => {
    const value = String(g[by] ?? "");
    if (["model", "key", "provider", "account", "end_reason"].includes(by)) go(address("requests", { [by]: value }));
  };
  const drills = ["model", "key", "provider", "account", "end_reason"].includes(by);
  return (
    <>
      <div class="page-head">
        <h1>{t("nav.usage")}</h1>
        <Select bare name={t("usage.by")} value={by} options={groupings.map((g) => [g, t("usage.by_one", { name: inText(named("by.", g)) })])} onChange={(v) => setQuery({ by: v, sort: "" })} />
        <label class="check"><input type="checkbox" checked={compare} onChange={(e) => setQuery({ compare: e.currentTarget.checked ? "1" : "" })} />{t("usage.compare")}</label>
        <RangePicker query={query} usual="7d" />
        <Button icon="download" onClick={save} disabled={!rows.length}>CSV</Button>
        <Button icon="download" onClick={() => download(file + ".json", "application/json", JSON.stringify(data, null, 2))} disabled={!rows.length}>JSON</Button>
      </div>
      {Object.entries(filter).some(([, v]) => v) && <div class="chips">{Object.entries(filter).filter(([, v]) => v).map(([k, v]) => <span class="chip accent" key={k}>{named("by.", k)}: {v}<button type="button" aria-label={t("action.remove_one", { name: v })} onClick={() => setQuery({ [k]: "" })}>×</button></span>)}</div>}
      {error && <Failure error={error} retry={reload} />}
      {over.data && over.data.times.length > 1 && (
        <Card title={t("usage.chart", { by: inText(named("by.", charted)) })} tools={<Segments label={t("usage.measure")} value={measure} options={measures.map((m): [Measure, string] => [m, t(`col.${m}`)])} onChange={(v) => setQuery({ show: v === "cost" ? "" : v })} />}>
          <Chart times={over.data.times.map((s) => Date.parse(s) / 1000)} kind="stack" height={220} label={t("usage.chart", { by: inText(named("by.", charted)) })}
            lines={linesOf(over.data.groups, (g) => (measure === "cost" ? g.cost_usd : measure === "requests" ? g.requests : g.errors))} show={measure === "cost" ? usd : count}
            running={runs(over.data)} onRange={(a, b) => go(address("requests", { since: new Date(a * 1000).toISOString(), until: new Date(b * 1000).toISOString() }))} />
        </Card>
      )}
      {!data && !error && <Skeleton lines={8} />}
      {data && rows.length === 0 && !loading && <Empty text={t("usage.empty")} />}
      {data && rows.length > 0 && (
        <Card flush>
          <div class="scroll" tabIndex={0} role="group" aria-label={t("label.table")}>
            <table>
              <thead>
                <tr>
                  <th scope="col">{named("by.", by)}</th>
                  {columns.map((c) => <th scope="col" key={c.id} class={"num" + (c.narrow ? "" : " only-wide")} aria-sort={sort === c.id ? "descending" : undefined}><button type="button" onClick={() => setQuery({ sort: c.id })}>{t(c.word)}{sort === c.id ? " ↓" : ""}</button></th>)}
                  <th scope="col" class="num"><span class="hidden-text">{t("usage.why")}</span></th>
                </tr>
              </thead>
              <tbody>
                {rows.slice(0, shown).map((g) => {
                  const name = nameOf(g, by);
                  const old = before.get(String(g[by] ?? ""));
                  return (
                    <tr key={String(g[by])} class={drills ? "link" : ""} tabIndex={drills ? 0 : undefined} onClick={drills ? () => drill(g) : undefined} onKeyDown={drills ? rowKeys(() => drill(g)) : undefined}>
                      <td class="mono clip cap">{by === "end_reason" ? named("reason.", name) : name || t("label.none")}</td>
                      {columns.map((c) => <td key={c.id} class={"num" + (c.narrow ? "" : " only-wide") + (c.id === "errors" && g.errors ? " bad" : "")}>{c.show(c.of(g), g)}{compare && (c.id === "requests" || c.id === "cost") && <span class="small muted"> {(old && delta(c.of(g), c.of(old))) ?? t("usage.new")}</span>}</td>)}
                      <td class="num" onClick={(e) => e.stopPropagation()}><Button small kind="quiet" label={t("usage.why")} onClick={() => ask(g)}>?</Button></td>
                    </tr>
                  );
                })}
              </tbody>
              <tfoot><tr><td>{t("label.total")}</td>{columns.map((c) => <td key={c.id} class={"num" + (c.narrow ? "" : " only-wide")}>{c.show(c.of(data.total), data.total)}{compare && data.previous && (c.id === "requests" || c.id === "cost") && <span class="small muted"> {delta(c.of(data.total), c.of(data.previous.total))}</span>}</td>)}<td /></tr></tfoot>
            </table>
          </div>
          {rows.length > shown && <div class="dlg-foot"><Button onClick={() => show(shown + 400)}>{t("action.more")}</Button></div>}
        </Card>
      )}
      {data && data.total.estimated > 0 && <p class="small muted">{t("usage.estimated", { n: whole(data.total.estimated) })}</p>}
      {data?.partial && <p class="small warn">{t("usage.partial")}</p>}
      {why && <Why of={why} by={by} name={nameOf(why, by)} onClose={() => ask(null)} />}
    </>
  );
}

/** Why shows what a sum of cost is made of: tokens of each kind, by the prices of now. */
function Why(p: { of: Group; by: string; name: string; onClose: () => void }) {
  const g = p.of;
  const [catalogue, set] = useState<Catalogue | null>(null);
  const [asked, setAsked] = useState(false);
  if (!asked && p.by === "model") {
    setAsked(true);
    void attempt(async () => set(await get<Catalogue>("/v1/admin/models")));
  }
  const model = catalogue?.data.find((m) => m.id === p.name);
  const prices = model?.price;
  const plain = Math.max(0, g.prompt_tokens - g.cache_read_tokens - g.cache_write_tokens);
  const lines: [Key, number, number | undefined][] = [
    ["cost.input", plain, prices?.input], ["cost.cache_read", g.cache_read_tokens, prices && (prices.cache_read || prices.input)],
    ["cost.cache_write", g.cache_write_tokens, prices && (prices.cache_write_5m || prices.input)], ["cost.output", g.completion_tokens, prices?.output],
  ];
  const expected = prices ? lines.reduce((sum, [, n, rate]) => sum + (n * (rate ?? 0)) / 1e6, 0) : null;
  return (
    <Dialog title={t("usage.why_of", { name: p.name || t("label.none") })} onClose={p.onClose} foot={<Button kind="main-action" onClick={() => go(address("requests", { [p.by]: String(g[p.by] ?? "") }))}>{t("usage.see_requests")}</Button>}>
      <table>
        <thead><tr><th scope="col">{t("cost.kind")}</th><th scope="col" class="num">{t("cost.units")}</th><th scope="col" class="num">{t("cost.rate")}</th><th scope="col" class="num">{t("col.cost")}</th></tr></thead>
        <tbody>{lines.filter(([, n]) => n > 0).map(([word, n, rate]) => <tr key={word}><td>{t(word)}</td><td class="num">{whole(n)}</td><td class="num">{price(rate)}</td><td class="num">{rate === undefined ? "–" : usd((n * rate) / 1e6)}</td></tr>)}</tbody>
        <tfoot><tr><td>{t("cost.recorded")}</td><td /><td /><td class="num">{exactUsd(g.cost_usd)}</td></tr></tfoot>
      </table>
      {expected !== null && Math.abs(expected - g.cost_usd) > Math.max(1e-6, g.cost_usd * 0.01) && <p class="muted small">{t("cost.differs", { cost: usd(expected) })}</p>}
      {expected === null && <p class="muted small">{t(p.by === "model" ? "cost.no_price" : "cost.by_model")}</p>}
      {g.charged_usd !== g.cost_usd && <p class="small">{t("cost.markup", { charged: exactUsd(g.charged_usd) })}</p>}
      {g.estimated > 0 && <p class="small muted">{t("usage.estimated", { n: whole(g.estimated) })}</p>}
    </Dialog>
  );
}

