import { useState } from "preact/hooks";
import { patch, post, remove, useGet, withQuery } from "../api";
import { useMay } from "../context";
import { count, exact, usd, whole } from "../format";
import { named, t } from "../i18n";
import { address, go, setQuery, useRoute } from "../router";
import { snippets } from "../snippets";
import type { ApiKey, Catalogue, NewKey, Overview, Page, Policy, Usage } from "../types";
import { Spark } from "../ui/chart";
import { Confirm, Dialog, Form, attempt, say } from "../ui/dialog";
import { Button, Card, Code, Copy, Empty, Failure, Link, QuotaBar, Segments, Select, Skeleton, State, Tags, Text, Time, rowKeys } from "../ui/kit";
import { usePaged } from "../ui/paged";
import { monthStart, zone } from "../ui/range";
import { Chosen, Several } from "./keybulk";

const root = "/v1/admin/api-keys";
const roles: [string, string[]][] = [["relay", []], ["viewer", ["viewer"]], ["operator", ["viewer", "providers:write", "config:write"]], ["keys", ["keys:write"]], ["admin", ["admin"]]];
const scopes = ["chat", "embeddings", "images", "audio", "moderations", "rerank", "viewer", "keys:write", "providers:write", "config:write", "billing", "admin"];

export function Keys() {
  const { query } = useRoute();
  const write = useMay("keys:write");
  const status = query.get("status") ?? "";
  const list = usePaged<ApiKey>(root, { q: query.get("q") ?? "", limits: "true", status });
  const month = useGet<Usage>(withQuery("/v1/admin/usage", { start_date: monthStart(), tz: zone(), group_by: "key" }), 30_000);
  const spent = new Map((month.data?.data ?? []).map((g) => [String(g.key), g]));
  const making = query.get("new") !== null;
  const make = (on: boolean) => setQuery({ new: on ? "1" : "" });
  const [several, makeSeveral] = useState(false);
  const [ticked, tick] = useState<string[]>([]);
  const [made, show] = useState<NewKey | null>(null);
  const id = query.get("id");
  return (
    <>
      <div class="page-head">
        <h1>{t("nav.keys")}</h1>
        <input data-filter class="input search" type="search" placeholder={t("keys.find")} aria-label={t("keys.find")} value={query.get("q") ?? ""} onInput={(e) => setQuery({ q: e.currentTarget.value })} />
        <Select bare name={t("col.state")} value={status} options={[["", t("keys.all")], ["active", t("state.active")], ["paused", t("state.paused")], ["expired", t("state.expired")], ["revoked", t("state.revoked")]]} onChange={(v) => setQuery({ status: v })} />
        {write && <Button onClick={() => makeSeveral(true)}>{t("keys.several")}</Button>}
        {write && <Button kind="main-action" icon="plus" onClick={() => make(true)}>{t("keys.create")}</Button>}
      </div>
      {ticked.length > 0 && <Chosen keys={(list.data ?? []).filter((k) => ticked.includes(k.id))} onClear={() => tick([])} onDone={list.reload} />}
      {list.error && <Failure error={list.error} retry={list.reload} />}
      {!list.data && !list.error && <Skeleton lines={6} />}
      {list.data?.length === 0 && <Empty text={t("keys.empty")}>{write && <Button kind="main-action" onClick={() => make(true)}>{t("keys.create")}</Button>}</Empty>}
      {list.data && list.data.length > 0 && (
        <Card flush>
          <div class="scroll" tabIndex={0} role="group" aria-label={t("label.table")}>
            <table>
              <thead><tr>{write && <th scope="col" class="tick"><input type="checkbox" aria-label={t("keys.choose_all")} checked={ticked.length === list.data.length} onChange={(e) => tick(e.currentTarget.checked ? (list.data ?? []).map((k) => k.id) : [])} /></th>}<th scope="col">{t("col.name")}</th><th scope="col">{t("col.state")}</th><th scope="col" class="only-wide">{t("keys.may")}</th><th scope="col" class="only-wide">{t("keys.models")}</th><th scope="col" class="only-wide">{t("keys.quota")}</th><th scope="col" class="num">{t("keys.month")}</th><th scope="col" class="only-wide">{t("keys.last")}</th><th scope="col" class="only-wide">{t("keys.expires")}</th></tr></thead>
              <tbody>
                {list.data.map((k) => {
                  const open = () => setQuery({ id: k.id }, true);
                  return (
                    <tr key={k.id} class="link" tabIndex={0} onClick={open} onKeyDown={rowKeys(open)}>
                      {write && <td class="tick" onClick={(e) => e.stopPropagation()}><input type="checkbox" aria-label={t("keys.choose", { name: k.name })} checked={ticked.includes(k.id)} onChange={(e) => tick(e.currentTarget.checked ? [...ticked, k.id] : ticked.filter((x) => x !== k.id))} /></td>}
                      <td class="cap"><div class="clip strong">{k.name}</div><div class="small muted mono clip">{k.prefix}…{k.group ? " · " + k.group : ""}</div></td>
                      <td><State of={k.status} />{k.weak && <span class="small warn" title={t("keys.weak_hint")}> {t("keys.weak")}</span>}</td>
                      <td class="only-wide"><Few of={k.scopes} none={t("role.relay")} /></td>
                      <td class="only-wide"><Few of={k.models} none={t("keys.every_model")} /></td>
                      <td class="only-wide">{k.limits?.length ? <QuotaBar limit={worst(k.limits)} /> : <span class="muted">–</span>}</td>
                      <td class="num">{usd(month.data && (spent.get(k.id)?.charged_usd ?? 0))}</td>
                      <td class="only-wide"><Time at={k.last_used_at} none={t("label.never")} /></td>
                      <td class="only-wide"><Time at={k.expires_at} none={t("keys.forever")} /></td>
                    </tr>
                  );
                })}
              </tbody>
            </table>
          </div>
          {list.more && <div class="dlg-foot"><Button onClick={list.more}>{t("action.more")}</Button></div>}
        </Card>
      )}
      {making && write && <Edit onClose={() => make(false)} onDone={(k) => { make(false); if (k && "key" in k) show(k as NewKey); list.reload(); }} />}
      {several && <Several onClose={() => makeSeveral(false)} onDone={list.reload} />}
      {made && <Secret made={made} onClose={() => show(null)} />}
      {id && <Show id={id} onClose={() => setQuery({ id: "" })} onChange={list.reload} onSecret={show} />}
    </>
  );
}

const worst = (limits: NonNullable<ApiKey["limits"]>) => limits.reduce((a, b) => (b.limit > 0 && b.used / b.limit > (a.limit > 0 ? a.used / a.limit : 0) ? b : a));

function Few({ of, none }: { of: string[]; none: string }) {
  if (!of?.length) return <span class="muted">{none}</span>;
  return <span class="chips nowrap" title={of.join(", ")}>{of.slice(0, 2).map((x) => <span class="chip mono clip few" key={x}>{x}</span>)}{of.length > 2 && <span class="small muted">+{of.length - 2}</span>}</span>;
}

/** Edit makes a key, or changes the one given. */
function Edit(p: { of?: ApiKey; onClose: () => void; onDone: (k?: ApiKey) => void }) {
  const k = p.of;
  const [name, setName] = useState(k?.name ?? "");
  const [held, setHeld] = useState<string[]>(k?.scopes ?? []);
  const [models, setModels] = useState<string[]>(k?.models ?? []);
  const [ips, setIps] = useState<string[]>(k?.ip_allow ?? []);
  const [group, setGroup] = useState(k?.group ?? "");
  const [expires, setExpires] = useState(k ? "keep" : "");
  const [bodies, setBodies] = useState(k?.log_bodies ?? "off");
  const [gone, setGone] = useState(k?.on_disconnect ?? "cancel");
  const [markup, setMarkup] = useState(k?.markup ?? "");
  const [labels, setLabels] = useState<string[]>(Object.entries(k?.metadata ?? {}).map(([n, v]) => `${n}=${v}`));
  const known = useGet<Catalogue>("/v1/admin/models");
  const role = roles.find(([, s]) => s.length === held.length && s.every((x) => held.includes(x)))?.[0] ?? "custom";
  const save = async () => {
    const metadata = Object.fromEntries(labels.map((w) => { const i = w.indexOf("="); return i < 1 ? [w, ""] : [w.slice(0, i), w.slice(i + 1)]; }));
    const body: Record<string, unknown> = { name, scopes: held, models, ip_allow: ips, group, log_bodies: bodies, on_disconnect: gone, markup, ...(k || labels.length ? { metadata } : {}) };
    if (k) {
      if (expires !== "keep") body.expires_at = expires || "never";
      p.onDone(await patch<ApiKey>(`${root}/${k.id}`, body));
      return;
    }
    if (expires) body.expires_at = expires;
    for (const [m, v] of Object.entries(body)) if (v === "" || (Array.isArray(v) && !v.length) || (m === "log_bodies" && v === "off") || (m === "on_disconnect" && v === "cancel")) delete body[m];
    p.onDone(await post<NewKey>(root, body));
  };
  const lives: [string, string][] = [...(k ? [["keep", t("keys.keep", { when: k.expires_at ? exact(k.expires_at) : t("keys.forever") })] as [string, string]] : []), ["", t("keys.forever")], ["1d", t("keys.in", { n: 1 })], ["7d", t("keys.in", { n: 7 })], ["30d", t("keys.in", { n: 30 })], ["90d", t("keys.in", { n: 90 })], ["365d", t("keys.in", { n: 365 })]];
  return (
    <Form title={t(k ? "keys.edit" : "keys.create")} action={t(k ? "action.save" : "keys.create")} onSubmit={save} onClose={p.onClose} ready={name.trim() !== ""}>
      <div class="fields">
        <Text name={t("col.name")} value={name} onInput={setName} required autofocus placeholder={t("keys.name_hint")} />
        <Text name={t("by.group")} value={group} onInput={setGroup} hint={t("keys.group_hint")} />
      </div>
      <div class="field">
        <span class="name">{t("keys.may")}</span>
        <Segments label={t("keys.may")} value={role} options={[...roles.map(([r]): [string, string] => [r, named("role.", r)]), ...(role === "custom" ? [["custom", t("role.custom")] as [string, string]] : [])]} onChange={(r) => setHeld(roles.find(([x]) => x === r)?.[1] ?? held)} />
        <details><summary>{t("keys.scopes")}</summary><div class="chips">{scopes.map((s) => <label class="check chip" key={s}><input type="checkbox" checked={held.includes(s)} onChange={(e) => setHeld(e.currentTarget.checked ? [...held, s] : held.filter((x) => x !== s))} /><span class="mono">{s}</span></label>)}</div></details>
      </div>
      <Tags name={t("keys.models")} value={models} onChange={setModels} placeholder={t("keys.models_hint")} list={known.data?.data.map((m) => m.id)} />
      <div class="fields">
        <Select name={t("keys.expires")} value={expires} options={lives} onChange={setExpires} />
        <Select name={t("keys.bodies")} value={bodies} options={[["off", t("bodies.off")], ["errors", t("bodies.errors")], ["all", t("bodies.all")]]} onChange={setBodies} hint={t("keys.bodies_hint")} />
      </div>
      <details>
        <summary>{t("label.more_settings")}</summary>
        <div class="stack">
          <Tags name={t("keys.ips")} value={ips} onChange={setIps} placeholder="10.0.0.0/8, 192.0.2.7" hint={t("keys.ips_hint")} />
          <Tags name={t("keys.labels")} value={labels} onChange={setLabels} placeholder="owner=alice" hint={t("keys.labels_hint")} />
          <div class="fields">
            <Select name={t("keys.gone")} value={gone} options={[["cancel", t("gone.cancel")], ["drain", t("gone.drain")]]} onChange={setGone} />
            <Text name={t("keys.markup")} value={markup} onInput={setMarkup} placeholder="1" hint={t("keys.markup_hint")} pattern="[0-9]+(\.[0-9]+)?" />
          </div>
        </div>
      </details>
    </Form>
  );
}

function Secret({ made, onClose }: { made: NewKey; onClose: () => void }) {
  return (
    <Dialog title={t("keys.made", { name: made.name })} onClose={onClose} foot={<Button kind="main-action" onClick={onClose}>{t("keys.saved")}</Button>}>
      <p>{t("keys.once")}</p>
      <div class="secret"><code data-secret>{made.key}</code><Copy text={made.key} word={t("action.copy")} kind="main-action" /></div>
      <Snippets secret={made.key} />
    </Dialog>
  );
}

/** Snippets shows how each client is told of the gateway. */
export function Snippets({ secret }: { secret: string }) {
  const all = snippets(location.origin, secret);
  const [at, set] = useState(all[0]?.id ?? "");
  const one = all.find((s) => s.id === at) ?? all[0];
  return (
    <section class="section">
      <h3>{t("keys.connect")}</h3>
      <Select bare name={t("keys.client")} value={at} options={all.map((s) => [s.id, s.name])} onChange={set} />
      {one && <Code text={one.text} label={one.name} />}
    </section>
  );
}

function Show(p: { id: string; onClose: () => void; onChange: () => void; onSecret: (k: NewKey) => void }) {
  const path = `${root}/${encodeURIComponent(p.id)}`;
  const { data: k, error, reload } = useGet<ApiKey>(path);
  const write = useMay("keys:write");
  const policies = useGet<Page<Policy>>(`/v1/admin/quota-policies?key=${encodeURIComponent(p.id)}`);
  const over = useGet<Overview>(withQuery("/v1/admin/overview", { last: "7d", key: p.id, by: "model" }));
  const [asking, ask] = useState<"" | "edit" | "rotate" | "revoke" | "delete">("");
  const done = () => { ask(""); reload(); p.onChange(); };
  const pause = async (paused: boolean) => {
    if (await attempt(() => patch(path, { paused }))) say(t(paused ? "keys.paused" : "keys.resumed", { name: k?.name ?? p.id }));
    done();
  };
  const limits = policies.data?.data.flatMap((x) => x.usage ?? []) ?? [];
  const tools = k && write && (
    <>
      <Button small icon="edit" onClick={() => ask("edit")}>{t("action.edit")}</Button>
      {k.status === "active" && <Button small icon="rotate" onClick={() => ask("rotate")}>{t("keys.rotate")}</Button>}
      {k.status === "active" && <Button small onClick={() => pause(true)}>{t("keys.pause")}</Button>}
      {k.status === "paused" && <Button small onClick={() => pause(false)}>{t("keys.resume")}</Button>}
      {k.status !== "revoked" ? <Button small kind="danger" onClick={() => ask("revoke")}>{t("keys.revoke")}</Button> : <Button small kind="danger" icon="trash" onClick={() => ask("delete")}>{t("action.delete")}</Button>}
    </>
  );
  return (
    <Dialog kind="drawer" title={k?.name ?? p.id} onClose={p.onClose} tools={tools}>
      {error && <Failure error={error} retry={reload} />}
      {!k && !error && <Skeleton lines={6} />}
      {k && (
        <>
          <div class="row wrap"><State of={k.status} /><span class="chip mono">{k.prefix}…</span>{k.previous_until && <span class="small warn">{t("keys.previous")} <Time at={k.previous_until} /></span>}</div>
          {over.data && (
            <section class="section">
              <h3>{t("keys.week", { requests: whole(over.data.total.requests), cost: usd(over.data.total.charged_usd) })}</h3>
              <Spark values={over.data.series.requests} bad={over.data.series.errors} label={t("keys.week", { requests: whole(over.data.total.requests), cost: usd(over.data.total.charged_usd) })} />
              <div class="chips">{over.data.groups.filter((g) => g.total.requests).map((g) => <span class="chip" key={g.name}><span class="mono">{g.name || t("label.none")}</span> {count(g.total.requests)}</span>)}</div>
            </section>
          )}
          <section class="section">
            <h3>{t("keys.quota")}</h3>
            {limits.length ? limits.map((l, i) => <QuotaBar key={i} limit={l} name />) : <span class="muted">{t("keys.no_quota")} <Link to={address("quotas", { new: k.id })}>{t("quotas.create")}</Link></span>}
          </section>
          <dl class="pairs">
            <dt>{t("keys.may")}</dt><dd>{k.scopes.length ? k.scopes.join(", ") : t("role.relay")}</dd>
            <dt>{t("keys.models")}</dt><dd class={k.models.length ? "mono" : ""}>{k.models.length ? k.models.join(", ") : t("keys.every_model")}</dd>
            <dt>{t("by.group")}</dt><dd>{k.group || "–"}</dd>
            <dt>{t("keys.ips")}</dt><dd>{k.ip_allow.length ? k.ip_allow.join(", ") : t("keys.anywhere")}</dd>
            <dt>{t("keys.bodies")}</dt><dd>{named("bodies.", k.log_bodies || "off")}</dd>
            <dt>{t("keys.gone")}</dt><dd>{named("gone.", k.on_disconnect || "cancel")}</dd>
            <dt>{t("keys.created")}</dt><dd><Time at={k.created_at} /></dd>
            <dt>{t("keys.last")}</dt><dd><Time at={k.last_used_at} none={t("label.never")} /></dd>
            <dt>{t("keys.expires")}</dt><dd><Time at={k.expires_at} none={t("keys.forever")} /></dd>
            {k.paused_at && <><dt>{t("keys.paused_at")}</dt><dd><Time at={k.paused_at} /></dd></>}
            <dt>ID</dt><dd class="mono">{k.id} <Copy text={k.id} label={t("action.copy_id")} /></dd>
            {Object.entries(k.metadata ?? {}).map(([m, v]) => <><dt class="mono">{m}</dt><dd>{v}</dd></>)}
          </dl>
          <div class="row wrap"><Button small onClick={() => go(address("requests", { key: k.id }))}>{t("usage.see_requests")}</Button><Button small onClick={() => go(address("usage", { key: k.id }))}>{t("nav.usage")}</Button></div>
          <Snippets secret="$AI_GATEWAY_API_KEY" />
        </>
      )}
      {k && asking === "edit" && <Edit of={k} onClose={() => ask("")} onDone={done} />}
      {k && asking === "rotate" && <Rotate of={k} onClose={() => ask("")} onDone={(made) => { done(); p.onSecret(made); }} />}
      {k && asking === "revoke" && <Confirm title={t("keys.revoke")} text={t("keys.revoke_text", { name: k.name })} action={t("keys.revoke")} word={k.name} onYes={async () => { await patch(path, { revoked: true }); done(); say(t("keys.revoked", { name: k.name })); }} onClose={() => ask("")} />}
      {k && asking === "delete" && <Confirm title={t("action.delete")} text={t("keys.delete_text", { name: k.name })} action={t("action.delete")} onYes={async () => { await remove(path); p.onChange(); p.onClose(); }} onClose={() => ask("")} />}
    </Dialog>
  );
}

function Rotate(p: { of: ApiKey; onClose: () => void; onDone: (k: NewKey) => void }) {
  const [grace, set] = useState("24h");
  return (
    <Form title={t("keys.rotate")} action={t("keys.rotate")} narrow onClose={p.onClose} onSubmit={async () => p.onDone(await post<NewKey>(`${root}/${p.of.id}/rotate`, grace ? { grace } : {}))}>
      <p>{t("keys.rotate_text")}</p>
      <Select name={t("keys.grace")} value={grace} options={[["", t("keys.grace_none")], ["1h", t("keys.hours", { n: 1 })], ["24h", t("keys.hours", { n: 24 })], ["7d", t("keys.days", { n: 7 })], ["30d", t("keys.days", { n: 30 })]]} onChange={set} />
    </Form>
  );
}

