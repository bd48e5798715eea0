import { useState } from "preact/hooks";
import { patch, post, remove, useGet } from "../api";
import { useMay } from "../context";
import { exact, minute, percent } from "../format";
import { named, t } from "../i18n";
import { setQuery, useRoute } from "../router";
import type { Account, ApiKey, Page, Policy, PolicyLimit, PolicyScope } from "../types";
import { Confirm, Form } from "../ui/dialog";
import { amount, Bar, Button, Card, Empty, Failure, Select, Skeleton, Text, toneOf } from "../ui/kit";
import { usePaged } from "../ui/paged";
import { zone } from "../ui/range";

const root = "/v1/admin/quota-policies";
type Who = "global" | "api_key" | "group" | "account" | "model";

const whoOf = (s: PolicyScope): Who => (s.api_key ? "api_key" : s.group ? "group" : s.account ? "account" : s.global ? "global" : "model");

export function Quotas() {
  const { query } = useRoute();
  const write = useMay("config:write");
  const list = usePaged<Policy>(root, { q: query.get("q") ?? "" });
  const keys = useGet<Page<ApiKey>>("/v1/admin/api-keys?limit=500");
  const fresh = query.get("new");
  const [edited, edit] = useState<Policy | null>(null);
  const [doomed, doom] = useState<Policy | null>(null);
  const close = () => { edit(null); setQuery({ new: "" }); };
  const nameOf = (s: PolicyScope): string => {
    const w = whoOf(s);
    const who = w === "api_key" ? (keys.data?.data.find((k) => k.id === s.api_key)?.name ?? s.api_key) : w === "group" ? s.group : w === "account" ? s.account : "";
    return [named("scope.", w) + (who ? " " + who : ""), s.model && w !== "model" ? t("scope.on_model", { model: s.model }) : s.model].filter(Boolean).join(" · ");
  };
  return (
    <>
      <div class="page-head">
        <h1>{t("nav.quotas")}</h1>
        <input data-filter class="input search" type="search" placeholder={t("quotas.find")} aria-label={t("quotas.find")} value={query.get("q") ?? ""} onInput={(e) => setQuery({ q: e.currentTarget.value })} />
        {write && <Button kind="main-action" icon="plus" onClick={() => setQuery({ new: "1" })}>{t("quotas.create")}</Button>}
      </div>
      {list.error && <Failure error={list.error} retry={list.reload} />}
      {!list.data && !list.error && <Skeleton lines={4} />}
      {list.data?.length === 0 && <Empty text={t("quotas.empty")}>{write && <Button kind="main-action" onClick={() => setQuery({ new: "1" })}>{t("quotas.create")}</Button>}</Empty>}
      <div class="cards">
        {list.data?.map((p) => (
          <Card key={p.id} title={p.name} tools={<>{p.read_only && <span class="chip">{named("origin.", p.origin)}</span>}{write && !p.read_only && <><Button small kind="quiet" icon="edit" label={t("action.edit_one", { name: p.name })} onClick={() => edit(p)} /><Button small kind="quiet" icon="trash" label={t("action.delete_one", { name: p.name })} onClick={() => doom(p)} /></>}</>}>
            <div class="stack">
              <div class="row wrap small muted"><span>{nameOf(p.scope)}</span>{p.mode === "strict" && <span class="chip">{t("quotas.strict")}</span>}{p.soft_percent > 0 && <span>{t("quotas.soft", { percent: percent(p.soft_percent) })}</span>}</div>
              {(p.usage ?? []).map((l, i) => {
                const used = l.limit > 0 ? (l.used / l.limit) * 100 : 0;
                return (
                  <div class="quota" key={i}>
                    <div class="line"><span>{named("kind.", l.kind)}{l.window ? " / " + named("window.", l.window) : ""}</span><span class="nowrap">{amount(l.kind, l.used)} / <b class="strong">{amount(l.kind, l.limit)}</b></span></div>
                    <Bar part={used / 100} more={l.limit > 0 ? l.reserved / l.limit : 0} tone={toneOf(used)} label={percent(used)} />
                    <div class="line muted"><span>{t("quotas.left", { n: amount(l.kind, l.remaining) })}{l.reserved > 0 && " · " + t("quotas.reserved", { n: amount(l.kind, l.reserved) })}</span>{l.resets_at && <span title={exact(l.resets_at)}>{t("quotas.resets")} {minute(l.resets_at)}</span>}</div>
                    {l.overspend_bound && <div class="small muted clip" title={l.overspend_bound}>{t("quotas.bound")} {l.overspend_bound}</div>}
                  </div>
                );
              })}
            </div>
          </Card>
        ))}
      </div>
      {list.more && <Button onClick={list.more}>{t("action.more")}</Button>}
      {write && (edited || fresh) && <Edit of={edited} key={edited?.id ?? "new"} forKey={fresh && fresh !== "1" ? fresh : ""} keys={keys.data?.data ?? []} onClose={close} onDone={() => { close(); list.reload(); }} />}
      {doomed && <Confirm title={t("action.delete")} text={t("quotas.delete_text", { name: doomed.name })} action={t("action.delete")} onYes={async () => { await remove(`${root}/${doomed.id}`); doom(null); list.reload(); }} onClose={() => doom(null)} />}
    </>
  );
}

interface Line { kind: string; limit: string; window: string; burst: string }

function Edit(p: { of: Policy | null; forKey: string; keys: ApiKey[]; onClose: () => void; onDone: () => void }) {
  const o = p.of;
  const [name, setName] = useState(o?.name ?? "");
  const [who, setWho] = useState<Who>(o ? whoOf(o.scope) : p.forKey ? "api_key" : "global");
  const [what, setWhat] = useState(o ? (o.scope.api_key ?? o.scope.group ?? o.scope.account ?? "") : p.forKey);
  const [model, setModel] = useState(o?.scope.model ?? "");
  const [lines, setLines] = useState<Line[]>(o?.limits.map((l) => ({ kind: l.kind, limit: String(l.limit), window: l.window ?? "", burst: l.burst ? String(l.burst) : "" })) ?? [{ kind: "cost_usd", limit: "10", window: "month", burst: "" }]);
  const [mode, setMode] = useState(o?.mode ?? "normal");
  const [soft, setSoft] = useState(String(o?.soft_percent || 80));
  const [maxTokens, setMaxTokens] = useState(o?.default_max_tokens ? String(o.default_max_tokens) : "");
  const [outage, setOutage] = useState(o?.on_store_outage ?? "deny");
  const [tz, setZone] = useState(o?.time_zone ?? "");
  const accounts = useGet<Page<Account>>("/v1/admin/provider-accounts?limit=200");
  const change = (i: number, part: Partial<Line>) => setLines(lines.map((l, x) => (x === i ? { ...l, ...part } : l)));
  const save = async () => {
    const scope: PolicyScope = { ...(who === "global" ? { global: true } : who === "model" ? {} : { [who]: what }), ...(model ? { model } : {}) };
    const limits: PolicyLimit[] = lines.map((l) => ({ kind: l.kind, limit: Number(l.limit), ...(l.kind === "concurrency" ? {} : { window: l.window }), ...(l.burst && l.window === "minute" ? { burst: Number(l.burst) } : {}) }));
    const body = { name, scope, limits, mode, soft_percent: Number(soft) || 0, ...(maxTokens ? { default_max_tokens: Number(maxTokens) } : {}), on_store_outage: outage, ...(tz || o?.time_zone ? { time_zone: tz } : {}) };
    if (o) await patch(`${root}/${o.id}`, body);
    else await post(root, body);
    p.onDone();
  };
  const windows = ["minute", "hour", "day", "week", "month", "total"];
  return (
    <Form title={t(o ? "quotas.edit" : "quotas.create")} action={t(o ? "action.save" : "quotas.create")} onSubmit={save} onClose={p.onClose} ready={name.trim() !== "" && lines.length > 0 && lines.every((l) => Number(l.limit) > 0) && (who === "global" || (who === "model" ? model !== "" : what !== ""))}>
      <Text name={t("col.name")} value={name} onInput={setName} required autofocus />
      <div class="fields">
        <Select name={t("quotas.whose")} value={who} options={(["global", "api_key", "group", "account", "model"] as Who[]).map((w) => [w, named("scope.", w)])} onChange={(v) => { setWho(v as Who); setWhat(""); }} />
        {who === "api_key" && <Select name={t("label.key")} value={what} options={[["", "–"], ...p.keys.filter((k) => k.status === "active" || k.id === what).map((k): [string, string] => [k.id, k.name])]} onChange={setWhat} />}
        {who === "group" && <Text name={t("by.group")} value={what} onInput={setWhat} list={[...new Set(p.keys.map((k) => k.group ?? "").filter(Boolean))]} />}
        {who === "account" && <Select name={t("by.account")} value={what} options={[["", "–"], ...(accounts.data?.data ?? []).map((a): [string, string] => [a.account_name, a.account_name])]} onChange={setWhat} />}
        <Text name={t("quotas.model")} value={model} onInput={setModel} mono placeholder={who === "model" ? "gpt-*" : t("keys.every_model")} />
      </div>
      <fieldset class="plain">
        <legend class="small muted">{t("quotas.limits")}</legend>
        {lines.map((l, i) => (
          <div class="limit" key={i}>
            <Select bare name={t("quotas.kind")} value={l.kind} options={["cost_usd", "tokens", "requests", "concurrency"].map((k) => [k, named("kind.", k)])} onChange={(kind) => change(i, { kind, window: kind === "concurrency" ? "" : l.window || "minute" })} />
            <input class="input" type="number" min="0" step="any" required aria-label={t("quotas.limit")} value={l.limit} onInput={(e) => change(i, { limit: e.currentTarget.value })} />
            {l.kind !== "concurrency" && <Select bare name={t("quotas.window")} value={l.window} options={windows.filter((w) => l.kind !== "cost_usd" || w !== "minute").map((w) => [w, named("window.", w)])} onChange={(window) => change(i, { window })} />}
            {l.window === "minute" && <input class="input" type="number" min="0" aria-label={t("quotas.burst")} title={t("quotas.burst_hint")} placeholder={t("quotas.burst")} value={l.burst} onInput={(e) => change(i, { burst: e.currentTarget.value })} />}
            <Button kind="quiet" icon="trash" label={t("action.remove_one", { name: named("kind.", l.kind) })} disabled={lines.length === 1} onClick={() => setLines(lines.filter((_, x) => x !== i))} />
          </div>
        ))}
        <div><Button small icon="plus" onClick={() => setLines([...lines, { kind: "requests", limit: "60", window: "minute", burst: "" }])}>{t("quotas.add_limit")}</Button></div>
      </fieldset>
      <div class="fields">
        <Select name={t("quotas.mode")} value={mode} options={[["normal", t("quotas.normal")], ["strict", t("quotas.strict")]]} onChange={setMode} hint={t(mode === "strict" ? "quotas.strict_hint" : "quotas.normal_hint")} />
        <Text name={t("quotas.soft_percent")} value={soft} onInput={setSoft} type="number" hint={t("quotas.soft_hint")} />
      </div>
      <details>
        <summary>{t("label.more_settings")}</summary>
        <div class="fields">
          <Text name={t("quotas.max_tokens")} value={maxTokens} onInput={setMaxTokens} type="number" placeholder="4096" hint={t("quotas.max_tokens_hint")} />
          <Select name={t("quotas.outage")} value={outage} options={["deny", "allow"].map((x): [string, string] => [x, named("outage.", x)])} onChange={setOutage} hint={t("quotas.outage_hint")} />
          <Text name={t("quotas.zone")} value={tz} onInput={setZone} mono placeholder={zone()} hint={t("quotas.zone_hint")} />
        </div>
      </details>
    </Form>
  );
}
