import { useState } from "preact/hooks";
import { patch, post, remove, useGet, withQuery } from "../api";
import { useMay } from "../context";
import { count, exact, ms, share, usd, whole } from "../format";
import { named, t } from "../i18n";
import { address, go, setQuery, useRoute } from "../router";
import type { Account, Overview, OverviewGroup, Page, ProviderInfo, TestResult } from "../types";
import { Spark } from "../ui/chart";
import { attempt, Confirm, Dialog, say } from "../ui/dialog";
import { Icon } from "../ui/icon";
import { Button, Card, Empty, Failure, Skeleton, State, Time } from "../ui/kit";
import { zone } from "../ui/range";
import { Add, Edit, modelNames, pathOf, root } from "./provider";

export function Providers() {
  const { query } = useRoute();
  const write = useMay("providers:write");
  const list = useGet<Page<Account>>(root + "?limit=200", 5_000);
  const over = useGet<Overview>(withQuery("/v1/admin/overview", { last: "24h", tz: zone(), by: "account" }), 30_000);
  const stats = new Map((over.data?.groups ?? []).map((g) => [g.name, g]));
  const id = query.get("id"), q = (query.get("q") ?? "").toLowerCase();
  const shown = (list.data?.data ?? []).filter((a) => !q || (a.account_name + a.provider + a.base_url).toLowerCase().includes(q));
  return (
    <>
      <div class="page-head">
        <h1>{t("nav.providers")}</h1>
        <input data-filter class="input search" type="search" placeholder={t("providers.find")} aria-label={t("providers.find")} value={query.get("q") ?? ""} onInput={(e) => setQuery({ q: e.currentTarget.value })} />
        {write && <Button kind="main-action" icon="plus" onClick={() => setQuery({ new: "1" })}>{t("providers.add")}</Button>}
      </div>
      {list.error && <Failure error={list.error} retry={list.reload} />}
      {!list.data && !list.error && <Skeleton tall />}
      {list.data && shown.length === 0 && <Empty text={t("providers.empty")} />}
      <div class="cards">{shown.map((a) => <AccountCard key={a.id} of={a} stats={stats.get(a.account_name)} write={write} reload={list.reload} />)}</div>
      {write && query.get("new") && <Add onClose={() => setQuery({ new: "" })} onDone={(a) => { setQuery({ new: "", id: a.id }); list.reload(); }} />}
      {id && <Show id={id} onClose={() => setQuery({ id: "" })} onChange={list.reload} />}
    </>
  );
}

const stateOf = (a: Account): string => (!a.enabled ? "disabled" : (a.health?.state ?? "unused"));

function AccountCard({ of: a, stats, write, reload }: { of: Account; stats: OverviewGroup | undefined; write: boolean; reload: () => void }) {
  const [wish, wishFor] = useState<boolean | null>(null);
  const enabled = wish ?? a.enabled;
  const toggle = async (on: boolean) => {
    wishFor(on); // at once; taken back where the gateway refuses
    if (await attempt(() => patch(pathOf(a.id), { enabled: on }))) reload();
    setTimeout(() => wishFor(null), 600);
  };
  return (
    <Card title={<button type="button" class="linklike title" onClick={() => setQuery({ id: a.id }, true)}>{a.account_name}</button>}
      tools={<><State of={stateOf(a)} title={a.health?.last_error} />{write && !a.read_only && <input type="checkbox" class="switch" role="switch" aria-label={t("providers.enabled", { name: a.account_name })} checked={enabled} onChange={(e) => void toggle(e.currentTarget.checked)} />}</>}>
      <div class="stack tightly">
        <div class="row small muted"><span>{a.provider}</span><span class="clip mono grow" title={a.base_url}>{a.base_url.replace(/^https?:../, "")}</span>{a.origin !== "db" && <span class="chip">{named("origin.", a.origin)}</span>}</div>
        <Spark values={stats?.requests ?? []} bad={stats?.errors} label={t("providers.spark", { n: whole(stats?.total.requests ?? 0) })} />
        <div class="facts">
          <span><b>{count(stats?.total.requests ?? 0)}</b> {t("col.requests")}</span>
          <span class={stats?.total.errors ? "bad" : ""}><b>{share(stats?.total.errors ?? 0, stats?.total.requests ?? 0)}</b> {t("col.errors")}</span>
          <span><b>{ms(stats?.total.latency_ms?.p95)}</b> p95</span>
          <span><b>{usd(stats?.total.cost_usd ?? 0)}</b></span>
        </div>
        <div class="row small muted"><span>{t("providers.keys", { n: a.api_keys?.length ?? 0 })}</span><span>{t("providers.weight", { weight: a.weight, priority: a.priority })}</span><span class="grow" /><TestButton of={a} write={write} /></div>
        {a.health?.last_error && stateOf(a) !== "ok" && <div class="small bad clip" title={a.health.last_error}>{a.health.last_error}</div>}
      </div>
    </Card>
  );
}

function TestButton({ of: a, write, model }: { of: Account; write: boolean; model?: string }) {
  const [busy, work] = useState(false);
  const [result, set] = useState<TestResult | null>(null);
  if (!write) return null;
  const run = () => {
    work(true);
    set(null);
    void attempt(async () => set(await post<TestResult>(pathOf(a.id) + "/test", model ? { model } : {}))).then(() => work(false));
  };
  return (
    <span class="row">
      {result && <span class={"small clip " + (result.ok ? "ok" : "bad")} role="status" title={result.error ?? result.model}>{result.ok ? `✓ ${ms(result.latency_ms)}` : `✗ ${result.status || t("providers.no_answer")}`}</span>}
      <Button small onClick={run} disabled={busy} label={t("providers.test_one", { name: a.account_name })}>{t(busy ? "providers.testing" : "providers.test")}</Button>
    </span>
  );
}

function Show(p: { id: string; onClose: () => void; onChange: () => void }) {
  const { data: a, error, reload } = useGet<Account>(pathOf(p.id), 3_000);
  const kinds = useGet<{ data: ProviderInfo[] }>("/v1/admin/providers");
  const write = useMay("providers:write");
  const [asking, ask] = useState<"" | "edit" | "delete">("");
  const kind = kinds.data?.data.find((k) => k.name === a?.provider);
  const reset = () => void attempt(async () => { await post(pathOf(p.id) + "/reset"); say(t("providers.reset_done")); reload(); p.onChange(); });
  const held = a?.health && !["ok", "unused"].includes(a.health.state);
  const tools = a && write && (
    <>
      <TestButton of={a} write={write} />
      {!a.read_only && <Button small icon="edit" onClick={() => ask("edit")}>{t("action.edit")}</Button>}
      {!a.read_only && <Button small kind="danger" icon="trash" label={t("action.delete_one", { name: a.account_name })} onClick={() => ask("delete")} />}
    </>
  );
  const names = a ? modelNames(a.models) : [];
  return (
    <Dialog kind="drawer" title={a?.account_name ?? p.id} onClose={p.onClose} tools={tools}>
      {error && <Failure error={error} retry={reload} />}
      {!a && !error && <Skeleton lines={6} />}
      {a && (
        <>
          <div class="row wrap"><State of={stateOf(a)} />{a.read_only && <span class="chip">{t("label.read_only", { origin: named("origin.", a.origin) })}</span>}{held && write && <Button small onClick={reset}>{t("providers.reset")}</Button>}{a.health?.cooldown_until && <span class="small warn">{t("providers.until")} <Time at={a.health.cooldown_until} /></span>}</div>
          {a.health?.last_error && <div class="note bad"><span class="grow">{a.health.last_error}</span><span class="small muted nowrap"><Time at={a.health.last_error_at} /></span></div>}
          {a.note && <div class="note warn"><Icon name="alert" /><span>{a.note}</span></div>}
          <dl class="pairs">
            <dt>{t("by.provider")}</dt><dd>{kind?.title ?? a.provider}</dd>
            <dt>{t("providers.base")}</dt><dd class="mono">{a.base_url}</dd>
            <dt>{t("providers.pool")}</dt><dd>{a.api_keys?.length ? <span class="chips">{a.api_keys.map((k, i) => <span class="chip mono" key={i}>{k.hint}{k.weight > 1 ? " ×" + k.weight : ""}</span>)}</span> : "–"}</dd>
            <dt>{t("keys.models")}</dt><dd>{names.length ? <span class="chips">{names.slice(0, 40).map((m) => <span class="chip mono" key={m}>{m}</span>)}</span> : t("providers.all_models")}{a.listed_models > 0 && <span class="muted"> {t("providers.listed", { n: whole(a.listed_models) })}</span>}</dd>
            <dt>{t("providers.order")}</dt><dd>{t("providers.weight", { weight: a.weight, priority: a.priority })}</dd>
            {a.proxy && <><dt>{t("providers.proxy")}</dt><dd class="mono">{a.proxy}</dd></>}
            {a.http2 && <><dt>HTTP/2</dt><dd>{t("label.on")}</dd></>}
            {Object.entries(a.timeouts ?? {}).map(([k, v]) => <><dt>{named("timer.", k)}</dt><dd class="mono">{v}</dd></>)}
            {Object.entries(a.headers ?? {}).map(([k, v]) => <><dt class="mono">{k}</dt><dd class="mono">{v}</dd></>)}
            {a.params ? <><dt>{t("providers.params")}</dt><dd class="mono">{JSON.stringify(a.params)}</dd></> : null}
            {a.prices && <><dt>{t("providers.prices")}</dt><dd class="mono">{JSON.stringify(a.prices)}</dd></>}
            {Object.entries(a.options ?? {}).map(([k, v]) => <><dt class="mono">{k}</dt><dd class="mono">{typeof v === "string" ? v : JSON.stringify(v)}</dd></>)}
          </dl>
          <section class="section">
            <h3>{t("providers.targets")}</h3>
            {a.health?.targets?.length ? (
              <div class="scroll" tabIndex={0} role="group" aria-label={t("label.table")}>
                <table>
                  <thead><tr><th scope="col">{t("col.model")}</th><th scope="col">{t("providers.key")}</th><th scope="col">{t("col.state")}</th><th scope="col" class="num">{t("providers.good")}</th><th scope="col" class="num">{t("col.latency")}</th><th scope="col" class="num">{t("providers.allowed")}</th></tr></thead>
                  <tbody>{a.health.targets.map((x) => <tr key={x.model + x.key_hint}><td class="mono clip cap" title={x.last_error}>{x.model}</td><td class="mono">{x.key_hint ?? "–"}</td><td><State of={x.state} title={x.last_error} /></td><td class="num">{x.good} / <span class={x.failures ? "bad" : ""}>{x.failures}</span></td><td class="num">{ms(x.latency_ms || x.stream_latency_ms)}</td><td class="num nowrap" title={x.allowed_at && exact(x.allowed_at)}>{x.allowed?.map((l) => <div key={l.kind} title={l.resets_at ? exact(l.resets_at) : undefined}>{count(l.left)}{l.limit ? " / " + count(l.limit) : ""} {named("allowance.", l.kind)}</div>) ?? "–"}</td></tr>)}</tbody>
                </table>
              </div>
            ) : <span class="muted">{t("providers.unasked")}</span>}
          </section>
          <div class="row wrap"><Button small onClick={() => go(address("requests", { account: a.account_name }))}>{t("usage.see_requests")}</Button><Button small onClick={() => go(address("requests", { account: a.account_name, status: "error" }))}>{t("providers.see_errors")}</Button></div>
        </>
      )}
      {a && kind && asking === "edit" && <Edit kind={kind} of={a} onClose={() => ask("")} onDone={() => { ask(""); reload(); p.onChange(); }} />}
      {a && asking === "delete" && <Confirm title={t("action.delete")} text={t("providers.delete_text", { name: a.account_name })} action={t("action.delete")} word={a.account_name} onYes={async () => { await remove(pathOf(a.id)); p.onClose(); p.onChange(); }} onClose={() => ask("")} />}
    </Dialog>
  );
}
