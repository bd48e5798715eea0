import { useMemo, useState } from "preact/hooks";
import { ApiError, get, patch, post, remove, useGet, withQuery } from "../api";
import { useMay } from "../context";
import { count, percent, price, usd, whole } from "../format";
import { named, t } from "../i18n";
import { address, go, setQuery, useRoute } from "../router";
import type { Account, ApiKey, Catalogue, Explain, Mapping, Model, Page, Target } from "../types";
import { attempt, Confirm, Form, say } from "../ui/dialog";
import { Bar, Button, Card, Empty, Failure, Segments, Select, Skeleton, State, Tags, Text, Time } from "../ui/kit";

const root = "/v1/admin/model-mappings";
type Tab = "models" | "aliases" | "explain";

export function Models() {
  const { query } = useRoute();
  const tab = (["models", "aliases", "explain"].includes(query.get("tab") ?? "") ? query.get("tab") : "models") as Tab;
  const write = useMay("config:write");
  const catalogue = useGet<Catalogue>("/v1/admin/models");
  return (
    <>
      <div class="page-head">
        <h1>{t("nav.models")}</h1>
        <Segments label={t("nav.models")} value={tab} options={[["models", t("models.catalogue")], ["aliases", t("models.aliases")], ["explain", t("models.explain")]]} onChange={(v) => setQuery({ tab: v === "models" ? "" : v, q: "" }, true)} />
        {tab === "models" && <input data-filter class="input search" type="search" placeholder={t("models.find")} aria-label={t("models.find")} value={query.get("q") ?? ""} onInput={(e) => setQuery({ q: e.currentTarget.value })} />}
        {tab === "models" && write && <Button icon="refresh" onClick={() => void attempt(async () => { const r = await get<Catalogue>("/v1/admin/models", { refresh: true }); const bad = r.refreshed?.filter((x) => x.error) ?? []; say(bad.length ? bad.map((x) => `${x.account}: ${x.error}`).join("; ") : t("models.refreshed", { n: r.refreshed?.length ?? 0 }), bad.length ? "bad" : "ok"); catalogue.reload(); })}>{t("models.refresh")}</Button>}
        {tab === "aliases" && write && <Button kind="main-action" icon="plus" onClick={() => setQuery({ new: "1" })}>{t("models.add_alias")}</Button>}
      </div>
      {catalogue.error && <Failure error={catalogue.error} retry={catalogue.reload} />}
      {tab === "models" && (catalogue.data ? <List data={catalogue.data} q={(query.get("q") ?? "").toLowerCase()} sort={query.get("sort") ?? "name"} /> : !catalogue.error && <Skeleton lines={8} />)}
      {tab === "aliases" && <Aliases write={write} models={catalogue.data?.data ?? []} />}
      {tab === "explain" && <Explained models={catalogue.data?.data ?? []} />}
    </>
  );
}

function List({ data, q, sort }: { data: Catalogue; q: string; sort: string }) {
  const list = useMemo(() => {
    const found = data.data.filter((m) => !q || (m.id + " " + m.provider + " " + (m.title ?? "") + " " + m.accounts.join(" ")).toLowerCase().includes(q));
    const by: Record<string, (m: Model) => number> = { input: (m) => m.price?.input ?? -1, output: (m) => m.price?.output ?? -1, context: (m) => m.context_window ?? -1 };
    const f = by[sort];
    return f ? [...found].sort((a, b) => f(b) - f(a)) : found;
  }, [data, q, sort]);
  const [shown, show] = useState(200);
  const head = (id: string, label: string, cls = "num") => <th scope="col" class={cls} aria-sort={sort === id ? "descending" : undefined}><button type="button" onClick={() => setQuery({ sort: sort === id ? "" : id })}>{label}{sort === id ? " ↓" : ""}</button></th>;
  if (!list.length) return <Empty text={t("models.empty")} />;
  return (
    <Card flush>
      <div class="scroll" tabIndex={0} role="group" aria-label={t("label.table")}>
        <table>
          <thead><tr><th scope="col">{t("col.model")}</th><th scope="col" class="only-wide">{t("models.served")}</th>{head("context", t("models.context"), "num only-wide")}{head("input", t("models.input"))}{head("output", t("models.output"))}<th scope="col" class="num only-wide">{t("models.cached")}</th><th scope="col" class="only-wide">{t("models.source")}</th><th scope="col"><span class="hidden-text">{t("models.explain")}</span></th></tr></thead>
          <tbody>
            {list.slice(0, shown).map((m) => (
              <tr key={m.provider + "/" + m.id}>
                <td class="cap"><div class="row"><span class="mono clip" title={m.title}>{m.id}</span>{m.alias && <span class="chip accent">{t("models.alias")}</span>}</div></td>
                <td class="only-wide clip cap" title={m.accounts.join(", ")}><span class="muted">{m.provider}</span> {m.accounts.join(", ")}</td>
                <td class="num only-wide">{m.context_window ? count(m.context_window) : "–"}</td>
                <td class="num">{m.priced ? price(m.price?.input) : m.alias ? <span class="muted">–</span> : <span class="warn">{t("models.unpriced")}</span>}</td>
                <td class="num">{m.priced ? price(m.price?.output) : ""}{m.tiers?.length ? <span class="muted small" title={m.tiers.map((x) => t("models.tier", { above: count(x.above), input: price(x.price.input), output: price(x.price.output) })).join("\n")}> +{m.tiers.length}</span> : null}</td>
                <td class="num only-wide">{m.priced && m.price?.cache_read ? price(m.price.cache_read) : "–"}</td>
                <td class="only-wide muted small clip cap" title={m.source}>{m.as_of ?? m.source ?? ""}</td>
                <td class="num nowrap"><Button small kind="quiet" onClick={() => setQuery({ tab: "explain", model: m.id, q: "" }, true)}>{t("models.explain")}</Button></td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <div class="pad-cell row"><span class="small muted grow">{t("models.count", { n: whole(list.length), version: data.version })}</span>{list.length > shown && <Button small onClick={() => show(shown + 500)}>{t("action.more")}</Button>}</div>
    </Card>
  );
}

const strategies = ["weighted", "priority", "latency", "cost", "least_busy"];

function Aliases({ write, models }: { write: boolean; models: Model[] }) {
  const { query } = useRoute();
  const list = useGet<Page<Mapping>>(root + "?limit=500");
  const [edited, edit] = useState<Mapping | null>(null);
  const [doomed, doom] = useState<Mapping | null>(null);
  const close = () => { edit(null); setQuery({ new: "" }); };
  return (
    <>
      {list.error && <Failure error={list.error} retry={list.reload} />}
      {!list.data && !list.error && <Skeleton lines={4} />}
      {list.data?.data.length === 0 && <Empty text={t("models.no_aliases")}>{write && <Button kind="main-action" onClick={() => setQuery({ new: "1" })}>{t("models.add_alias")}</Button>}</Empty>}
      <div class="cards">
        {list.data?.data.map((m) => (
          <Card key={m.id} title={<span class="mono">{m.alias}</span>} tools={<>{m.read_only ? <span class="chip">{named("origin.", m.origin)}</span> : write && <><Button small kind="quiet" icon="edit" label={t("action.edit_one", { name: m.alias })} onClick={() => edit(m)} /><Button small kind="quiet" icon="trash" label={t("action.delete_one", { name: m.alias })} onClick={() => doom(m)} /></>}<Button small onClick={() => setQuery({ tab: "explain", model: m.alias }, true)}>{t("models.explain")}</Button></>}>
            <ol class="route">
              {[...m.targets].sort((a, b) => (a.priority ?? 0) - (b.priority ?? 0)).map((x, i) => <li key={i}><span class="chip" title={t("models.priority")}>{x.priority ?? 0}</span><span class="clip mono grow">{[x.account || x.provider, x.model].filter(Boolean).join(" / ")}</span><Share of={x} among={m.targets} strategy={m.strategy} /></li>)}
            </ol>
            <div class="small muted">{named("strategy.", m.strategy || "weighted")}{Object.entries(m.fallbacks ?? {}).map(([k, v]) => <div key={k}>{named("fallback.", k)} → <span class="mono">{v.join(", ")}</span></div>)}</div>
          </Card>
        ))}
      </div>
      {write && (edited || query.get("new")) && <Edit of={edited} key={edited?.id ?? "new"} models={models} onClose={close} onDone={() => { close(); list.reload(); }} />}
      {doomed && <Confirm title={t("action.delete")} text={t("models.delete_text", { name: doomed.alias })} action={t("action.delete")} onYes={async () => { await remove(`${root}/${doomed.id}`); doom(null); list.reload(); }} onClose={() => doom(null)} />}
    </>
  );
}

/** shareOf is the part of the requests that a target gets while all of its priority are well. */
export function shareOf(x: Target, among: Target[]): number {
  const sum = among.filter((y) => (y.priority ?? 0) === (x.priority ?? 0)).reduce((n, y) => n + (y.weight || 1), 0);
  return (x.weight || 1) / sum;
}

/** Share shows how weights part the requests; by other strategies nobody knows beforehand. */
function Share(p: { of: Target; among: Target[]; strategy?: string }) {
  if (p.strategy && p.strategy !== "weighted") return null;
  const part = shareOf(p.of, p.among);
  return <span class="share row small muted" title={t("models.weight") + " " + (p.of.weight || 1)}><Bar part={part} label={percent(part * 100)} /><span class="num">{percent(part * 100)}</span></span>;
}

function Edit(p: { of: Mapping | null; models: Model[]; onClose: () => void; onDone: () => void }) {
  const o = p.of;
  const [alias, setAlias] = useState(o?.alias ?? "");
  const [targets, setTargets] = useState<Target[]>(o?.targets ?? [{ model: "", weight: 1 }]);
  const [strategy, setStrategy] = useState(o?.strategy || "weighted");
  const [fallbacks, setFallbacks] = useState<Record<string, string[]>>(o?.fallbacks ?? {});
  const accounts = useGet<Page<Account>>("/v1/admin/provider-accounts?limit=200");
  const ids = p.models.map((m) => m.id);
  const change = (i: number, part: Partial<Target>) => setTargets(targets.map((x, n) => (n === i ? { ...x, ...part } : x)));
  const swap = (i: number, j: number) => { const next = [...targets]; const a = next[i], b = next[j]; if (a && b) { next[i] = b; next[j] = a; setTargets(next); } };
  const save = async () => {
    const body = { alias, targets: targets.map((x) => ({ ...(x.account ? { account: x.account } : x.provider ? { provider: x.provider } : {}), model: x.model, weight: x.weight || 1, ...(x.priority ? { priority: x.priority } : {}) })), strategy, fallbacks: Object.fromEntries(Object.entries(fallbacks).filter(([, v]) => v.length)) };
    if (o) await patch(`${root}/${o.id}`, body);
    else await post(root, body);
    p.onDone();
  };
  return (
    <Form title={t(o ? "models.edit_alias" : "models.add_alias")} action={t(o ? "action.save" : "models.add_alias")} onSubmit={save} onClose={p.onClose} ready={alias !== "" && targets.every((x) => x.model !== "")}>
      <Text name={t("models.alias")} value={alias} onInput={setAlias} mono required autofocus hint={t("models.alias_hint")} />
      <fieldset class="plain">
        <legend class="small muted">{t("models.targets")}</legend>
        {targets.map((x, i) => (
          <div class="target" key={i} draggable onDragStart={(e) => e.dataTransfer?.setData("text/plain", String(i))} onDragOver={(e) => e.preventDefault()} onDrop={(e) => { e.preventDefault(); swap(Number(e.dataTransfer?.getData("text/plain")), i); }}>
            <Select name={t("by.account")} value={x.account ?? ""} options={[["", x.provider ? x.provider : t("models.any_account")], ...(accounts.data?.data ?? []).map((a): [string, string] => [a.account_name, a.account_name])]} onChange={(account) => change(i, { account, provider: account ? undefined : x.provider })} />
            <Text name={t("col.model")} value={x.model} onInput={(model) => change(i, { model })} mono required list={ids} />
            <Text name={t("models.priority")} value={String(x.priority ?? 0)} type="number" onInput={(v) => change(i, { priority: Number(v) || 0 })} />
            <Text name={t("models.weight")} value={String(x.weight ?? 1)} type="number" onInput={(v) => change(i, { weight: Number(v) || 0 })} />
            <Button kind="quiet" icon="trash" label={t("action.remove_one", { name: x.model || String(i + 1) })} disabled={targets.length === 1} onClick={() => setTargets(targets.filter((_, n) => n !== i))} />
            {targets.length > 1 && <div class="all-columns"><Share of={x} among={targets} strategy={strategy} /></div>}
          </div>
        ))}
        <div class="row"><Button small icon="plus" onClick={() => setTargets([...targets, { model: "", weight: 1 }])}>{t("models.add_target")}</Button><span class="small muted">{t("models.targets_hint")}</span></div>
      </fieldset>
      <Select name={t("models.strategy")} value={strategy} options={strategies.map((s) => [s, named("strategy.", s)])} onChange={setStrategy} hint={t("models.strategy_hint")} />
      <details open={Object.values(fallbacks).some((v) => v.length)}>
        <summary>{t("models.fallbacks")}</summary>
        <div class="stack">{["error", "context_window", "content_policy"].map((k) => <Tags key={k} name={named("fallback.", k)} value={fallbacks[k] ?? []} onChange={(v) => setFallbacks({ ...fallbacks, [k]: v })} list={ids} />)}</div>
      </details>
    </Form>
  );
}

/** because says in the page's language how a target was found; what holds one back is the gateway's to say. */
function because(x: Explain["targets"][number], rule: string): string {
  if (!x.eligible || !rule || x.reason.startsWith("fallback ")) return x.reason;
  const more = x.reason.indexOf("; ");
  return named("rule.", rule) + (more < 0 ? "" : x.reason.slice(more));
}

function Explained({ models }: { models: Model[] }) {
  const { query } = useRoute();
  const model = query.get("model") ?? "";
  const [typed, type] = useState(model);
  const keys = useGet<Page<ApiKey>>("/v1/admin/api-keys?limit=500");
  const operation = query.get("operation") ?? "", key = query.get("key") ?? "", dialect = query.get("dialect") ?? "";
  const plan = useGet<Explain>(model ? withQuery("/v1/admin/explain", { model, key, operation, dialect }) : null, 5_000);
  const e: ApiError | null = plan.error;
  return (
    <>
      <form class="explain" onSubmit={(ev) => { ev.preventDefault(); setQuery({ model: typed }, true); }}>
        <Text name={t("col.model")} value={typed} onInput={type} mono list={models.map((m) => m.id)} placeholder="gpt-5" required />
        <Select name={t("label.key")} value={key} options={[["", t("models.any_key")], ...(keys.data?.data ?? []).map((k): [string, string] => [k.id, k.name])]} onChange={(v) => setQuery({ key: v })} />
        <Select name={t("models.operation")} value={operation} options={["", "embeddings", "images", "audio", "moderations", "rerank", "completions"].map((o) => [o, o || "chat"])} onChange={(v) => setQuery({ operation: v })} />
        <Select name={t("models.format")} value={dialect} options={[["", "OpenAI chat"], ["responses", "OpenAI Responses"], ["messages", "Anthropic Messages"], ["gemini", "Gemini"]]} onChange={(v) => setQuery({ dialect: v })} />
        <Button type="submit" kind="main-action">{t("models.explain")}</Button>
      </form>
      {e && <Failure error={e} retry={plan.reload} />}
      {!model && <Empty text={t("models.explain_empty")} />}
      {model && plan.data && (
        <>
          {plan.data.error ? <div class="note bad"><b class="strong">{plan.data.error.code}</b><span class="grow">{plan.data.error.message}</span></div> : (
            <div class="note ok"><span>{t("models.goes", { account: plan.data.targets.find((x) => x.order === 1)?.account ?? "–", model: plan.data.targets.find((x) => x.order === 1)?.model ?? "–" })}{plan.data.rule && <span class="muted"> · {named("rule.", plan.data.rule)}{plan.data.strategy ? " · " + named("strategy.", plan.data.strategy) : ""}</span>}</span></div>
          )}
          <Card flush>
            <div class="scroll" tabIndex={0} role="group" aria-label={t("label.table")}>
              <table>
                <thead><tr><th scope="col" class="num">#</th><th scope="col">{t("by.account")}</th><th scope="col">{t("col.model")}</th><th scope="col">{t("models.why")}</th><th scope="col" class="only-wide">{t("col.state")}</th><th scope="col" class="num only-wide">{t("models.priority")}</th><th scope="col" class="num only-wide">{t("models.weight")}</th><th scope="col" class="only-wide">{t("models.speaks")}</th><th scope="col" class="num">{t("models.estimate")}</th></tr></thead>
                <tbody>
                  {plan.data.targets.map((x, i) => (
                    <tr key={i} class={x.eligible ? "" : "muted"}>
                      <td class="num strong">{x.order || "–"}</td>
                      <td><button type="button" class="linklike" onClick={() => go(address("providers", { id: x.account }))}>{x.account}</button> <span class="muted small">{x.provider}</span></td>
                      <td class="mono">{x.model || "–"}</td>
                      <td class="any-wrap">{x.eligible ? <span class="ok">✓</span> : <span class="bad">✗</span>} {because(x, plan.data?.rule ?? "")}{x.last_error && <div class="small bad">{x.last_error}</div>}</td>
                      <td class="only-wide">{x.state && <State of={x.state} />} {x.cooldown_until && <span class="small"><Time at={x.cooldown_until} /></span>}</td>
                      <td class="num only-wide">{x.priority}</td><td class="num only-wide">{x.weight}</td><td class="only-wide">{x.dialect}</td>
                      <td class="num">{x.estimated_cost_usd === null ? "–" : usd(x.estimated_cost_usd)}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
            <p class="small muted pad-cell">{t("models.estimate_hint")}</p>
          </Card>
        </>
      )}
    </>
  );
}
