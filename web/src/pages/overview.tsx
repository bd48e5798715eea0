import { useEffect, useRef, useState } from "preact/hooks";
import { useGet, withQuery } from "../api";
import { count, delta, exact, inText, ms, percent, share, usd, whole } from "../format";
import { named, t } from "../i18n";
import { live } from "../live";
import { address, go, setQuery, useRoute } from "../router";
import type { Change, Overview as Data, OverviewGroup } from "../types";
import { Chart, type Line } from "../ui/chart";
import { Bar, Card, Empty, Failure, Link, Select, Skeleton, Tile, Time, toneOf, amount, rowKeys } from "../ui/kit";
import { RangePicker, rangeOf } from "../ui/range";
import { Setup } from "./setup";

export const groupings = ["model", "provider", "account", "key", "group"] as const;

export function Overview() {
  const { query } = useRoute();
  const by = query.get("by") ?? "model";
  const range = rangeOf(query);
  const path = withQuery("/v1/admin/overview", { ...range, by });
  const { data, error, reload } = useGet<Data>(path, 15_000);
  const now = useRate();
  return (
    <>
      <div class="page-head">
        <h1>{t("nav.overview")}</h1>
        <Select bare name={t("usage.by")} value={by} options={groupings.map((g) => [g, t("usage.by_one", { name: inText(named("by.", g)) })])} onChange={(v) => setQuery({ by: v === "model" ? "" : v })} />
        <RangePicker query={query} />
      </div>
      {error && <Failure error={error} retry={reload} />}
      {!data && !error && <Skeleton tall lines={3} />}
      {data && <Told data={data} now={now} by={by} />}
    </>
  );
}

/** useRate counts what the live feed tells: requests a second over the last ten, and those in flight. */
function useRate(): { rate: number; running: number } {
  const [now, set] = useState({ rate: 0, running: 0 });
  const ends = useRef<number[]>([]);
  const running = useRef(new Map<string, string | undefined>()); // with the gateways they are at
  useEffect(() => {
    const stop = live().hear((e) => {
      const id = e.request_id ?? "";
      if (e.type === "finished") { ends.current.push(Date.now()); running.current.delete(id); }
      else if (e.type === "started") running.current.set(id, e.node);
      else if (e.type === "dropped") for (const [one, node] of running.current) if (!e.node || e.node === node) running.current.delete(one);
    });
    const timer = setInterval(() => {
      const since = Date.now() - 10_000;
      ends.current = ends.current.filter((at) => at > since);
      set({ rate: ends.current.length / 10, running: running.current.size });
    }, 1000);
    return () => { stop(); clearInterval(timer); };
  }, []);
  return now;
}

function Delta(p: { now: number; before: number; more: "good" | "bad" | "" }) {
  const d = delta(p.now, p.before);
  if (!d) return null;
  const up = d.startsWith("+") && !d.startsWith("±");
  const tone = d.startsWith("±") || p.more === "" ? "muted" : up === (p.more === "good") ? "ok" : "bad";
  return <span class={"small " + tone} title={t("overview.before")}>{d}</span>;
}

/** runs tells whether the last step has not ended. */
export function runs(o: Data): boolean {
  const a = o.times.at(-2), b = o.times.at(-1);
  return a !== undefined && b !== undefined && 2 * Date.parse(b) - Date.parse(a) > Date.parse(o.until);
}

/** linesOf gives groups the colours of the series; what is summed as "other" is grey. */
export function linesOf(groups: OverviewGroup[], pick: (g: OverviewGroup) => number[]): Line[] {
  let next = 0;
  return groups.map((g) => ({ name: g.name === "other" ? t("label.other") : g.label || g.name || t("label.none"), values: pick(g), colour: g.name === "other" || next > 6 ? "s7" : "s" + next++ }));
}

const reasonColours: Record<string, string> = { complete: "s2", error: "bad", stream_error: "s5", client_gone: "s1", rejected: "s3", cancelled: "s4", shutdown: "s6" };

function Told({ data, now, by }: { data: Data; now: { rate: number; running: number }; by: string }) {
  const { total, previous, series } = data;
  const times = data.times.map((s) => Date.parse(s) / 1000);
  const running = runs(data);
  const span = (Date.parse(data.until) - Date.parse(data.since)) / 1000;
  const toRequests = (since: number, until: number) => go(address("requests", { since: new Date(since * 1000).toISOString(), until: new Date(until * 1000).toISOString() }));
  if (total.requests === 0 && previous.requests === 0 && now.running === 0) return <><Setup /><Empty text={t("overview.empty")}><Link to={address("playground")} class="btn main-action">{t("overview.try")}</Link></Empty><Changes list={data.changes} /></>;
  const cached = total.prompt_tokens > 0 ? total.cache_read_tokens / total.prompt_tokens : 0;
  return (
    <>
      <div class="tiles">
        <Tile label={t("tile.requests")} value={count(total.requests)} aside={<Delta now={total.requests} before={previous.requests} more="" />} sub={t("tile.rate", { rate: now.rate.toFixed(1), running: whole(now.running) })} />
        <Tile label={t("tile.errors")} value={<span class={total.requests && total.errors / total.requests > 0.05 ? "bad" : ""}>{share(total.errors, total.requests)}</span>} aside={<Delta now={total.errors / (total.requests || 1)} before={previous.errors / (previous.requests || 1)} more="bad" />} sub={t("tile.errors_of", { n: whole(total.errors) })} />
        <Tile label={t("tile.latency")} value={ms(total.latency_ms?.p95)} aside={<Delta now={total.latency_ms?.p95 ?? 0} before={previous.latency_ms?.p95 ?? 0} more="bad" />} sub={t("tile.ttft", { p50: ms(total.ttft_ms?.p50), p95: ms(total.ttft_ms?.p95) })} />
        <Tile label={t("tile.cost")} value={usd(total.cost_usd)} aside={<Delta now={total.cost_usd} before={previous.cost_usd} more="" />} sub={t("tile.per_hour", { cost: usd(total.cost_usd / Math.max(span / 3600, 1 / 60)) })} />
        <Tile label={t("tile.tokens")} value={count(total.prompt_tokens + total.completion_tokens)} aside={<Delta now={total.prompt_tokens + total.completion_tokens} before={previous.prompt_tokens + previous.completion_tokens} more="" />} sub={t("tile.in_out", { input: count(total.prompt_tokens), output: count(total.completion_tokens) })} />
        <Tile label={t("tile.cache")} value={percent(cached * 100)} sub={data.saved_usd === undefined ? t("tile.cache_tokens", { n: count(total.cache_read_tokens) }) : t("tile.saved", { cost: usd(data.saved_usd) })} />
      </div>
      <div class="grid2">
        <Card title={t("overview.cost", { by: inText(named("by.", by)) })}>
          <Chart times={times} lines={linesOf(data.groups, (g) => g.cost_usd)} kind="stack" show={usd} label={t("overview.cost", { by: inText(named("by.", by)) })} onRange={toRequests} running={running} />
        </Card>
        <Card title={t("overview.latency")}>
          <Chart times={times} kind="lines" show={ms} label={t("overview.latency")} onRange={toRequests} running={running}
            lines={[{ name: "p50", values: series.latency_p50, colour: "s0" }, { name: "p95", values: series.latency_p95, colour: "s1" }, { name: "p99", values: series.latency_p99, colour: "s5" }, { name: "TTFT p50", values: series.ttft_p50, colour: "s2" }, { name: "TTFT p95", values: series.ttft_p95, colour: "s6" }]} />
        </Card>
        <Card title={t("overview.outcomes")}>
          <Chart times={times} kind="stack" show={count} label={t("overview.outcomes")} onRange={toRequests} running={running}
            lines={data.end_reasons.map((g) => ({ name: named("reason.", g.name), values: g.requests, colour: reasonColours[g.name] ?? "s7" }))} />
        </Card>
        <Card title={t("overview.tokens")}>
          <Chart times={times} kind="stack" show={count} label={t("overview.tokens")} onRange={toRequests} running={running}
            lines={[{ name: t("label.input"), values: series.prompt_tokens, colour: "s0" }, { name: t("label.output"), values: series.completion_tokens, colour: "s1" }]} />
        </Card>
      </div>
      <div class="grid3 top-aligned">
        <Card title={t("overview.top", { by: inText(named("by.", by)) })} class="wide" flush><Top data={data} by={by} /></Card>
        <div class="stack">
          <Budgets data={data} />
          <Changes list={data.changes} />
        </div>
      </div>
    </>
  );
}

function Top({ data, by }: { data: Data; by: string }) {
  const most = Math.max(1e-12, ...data.groups.map((g) => g.total.cost_usd));
  const busiest = Math.max(1, ...data.groups.map((g) => g.total.requests));
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label={t("label.table")}>
      <table>
        <thead><tr><th scope="col">{named("by.", by)}</th><th scope="col" class="num">{t("col.requests")}</th><th scope="col" class="num only-wide">{t("col.tokens")}</th><th scope="col" class="num">{t("col.errors")}</th><th scope="col" class="num only-wide">p95</th><th scope="col" class="num">{t("col.cost")}</th><th scope="col" class="only-wide"><span class="hidden-text">{t("col.share")}</span></th></tr></thead>
        <tbody>
          {data.groups.map((g) => {
            const open = g.name && g.name !== "other" ? () => go(address("requests", { [by]: g.name })) : undefined;
            const part = most > 1e-11 ? g.total.cost_usd / most : g.total.requests / busiest;
            return (
              <tr key={g.name} class={open ? "link" : ""} tabIndex={open ? 0 : undefined} onClick={open} onKeyDown={open && rowKeys(open)}>
                <td class="mono clip cap">{g.name === "other" ? t("label.other") : g.label || g.name || t("label.none")}</td>
                <td class="num">{count(g.total.requests)}</td>
                <td class="num only-wide">{count(g.total.prompt_tokens + g.total.completion_tokens)}</td>
                <td class={"num" + (g.total.errors ? " bad" : "")}>{share(g.total.errors, g.total.requests)}</td>
                <td class="num only-wide">{ms(g.total.latency_ms?.p95)}</td>
                <td class="num">{usd(g.total.cost_usd)}</td>
                <td class="only-wide share"><Bar part={part} label={percent(part * 100)} /></td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function Budgets({ data }: { data: Data }) {
  return (
    <Card title={t("overview.budgets")} tools={<Link to={address("quotas")} class="small">{t("action.all")}</Link>}>
      {data.budgets.length === 0 && <span class="muted">{t("overview.no_budgets")}</span>}
      <div class="stack">
        {data.budgets.map((b) => (
          <div class="quota" key={(b.policy_id ?? b.policy) + b.kind + (b.window ?? "")} title={b.scope}>
            <div class="line"><span class="clip"><b class="strong">{b.policy}</b> <span class="muted">{named("window.", b.window ?? "total")}</span></span><span class="nowrap">{amount(b.kind, b.used)} / {amount(b.kind, b.limit)}</span></div>
            <Bar part={b.percent / 100} tone={toneOf(b.percent)} label={percent(b.percent)} />
            {b.exhausted_at ? <span class="small bad" title={exact(b.exhausted_at)}>{t("overview.exhausted")} <Time at={b.exhausted_at} /></span> : b.projected_percent !== null && <span class="small muted">{t("overview.projected", { percent: percent(b.projected_percent) })}</span>}
          </div>
        ))}
      </div>
    </Card>
  );
}

const changeMarks: Record<string, [string, string]> = { info: ["●", "muted"], warn: ["▲", "warn"], bad: ["✗", "bad"] };
const changePage: Record<string, string> = { breaker: "providers", quota: "quotas", expiry: "keys", edit: "audit", new_error: "requests" };

function Changes({ list }: { list: Change[] }) {
  return (
    <Card title={t("overview.changes")}>
      {list.length === 0 && <span class="muted">{t("overview.no_changes")}</span>}
      <ul class="changes">
        {list.slice(0, 8).map((c, i) => (
          <li key={c.kind + c.object + c.time + i}>
            <span class={(changeMarks[c.severity] ?? ["", ""])[1]} aria-label={named("severity.", c.severity)} role="img">{(changeMarks[c.severity] ?? ["○"])[0]}</span>
            <Link to={address(changePage[c.kind] ?? "audit")} class="grow plain clip" title={c.text}><b class="strong">{c.object}</b> {c.text}</Link>
            <span class="small muted nowrap"><Time at={c.time} /></span>
          </li>
        ))}
      </ul>
    </Card>
  );
}
