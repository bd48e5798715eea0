// The form of an account at a provider.
import { useState } from "preact/hooks";
import { patch, post, useGet } from "../api";
import { named, t } from "../i18n";
import type { Account, ProviderInfo } from "../types";
import { Dialog, Form } from "../ui/dialog";
import { Button, Failure, Field, Tags, Text } from "../ui/kit";

export const root = "/v1/admin/provider-accounts";
export const pathOf = (id: string) => `${root}/${encodeURIComponent(id)}`;

export const modelNames = (m: Account["models"]): string[] => (Array.isArray(m) ? m : Object.entries(m ?? {}).map(([k, v]) => (k === v ? k : `${k}=${v}`)));
/** modelsOf turns name=upstream words into what the gateway takes. */
export function modelsOf(words: string[]): string[] | Record<string, string> {
  if (!words.some((w) => w.includes("="))) return words;
  return Object.fromEntries(words.map((w) => { const i = w.indexOf("="); return i < 0 ? [w, w] : [w.slice(0, i), w.slice(i + 1)]; }));
}

/** Add asks which provider, and makes the account. */
export function Add(p: { onClose: () => void; onDone: (a: Account) => void }) {
  const kinds = useGet<{ data: ProviderInfo[] }>("/v1/admin/providers");
  const [kind, pick] = useState<ProviderInfo | null>(null);
  const [q, find] = useState("");
  if (kind) return <Edit kind={kind} onBack={() => pick(null)} onClose={p.onClose} onDone={p.onDone} />;
  const list = (kinds.data?.data ?? []).filter((k) => !q || (k.name + k.title + k.aliases.join()).toLowerCase().includes(q.toLowerCase()));
  return (
    <Dialog title={t("providers.add")} onClose={p.onClose}>
      <input class="input" type="search" placeholder={t("providers.which")} aria-label={t("providers.which")} value={q} onInput={(e) => find(e.currentTarget.value)} ref={(el) => { if (el && document.activeElement?.closest("dialog") && q === "") el.focus(); }} />
      {kinds.error && <Failure error={kinds.error} />}
      <div class="picks">{list.map((k) => <button type="button" class="pick" key={k.name} onClick={() => pick(k)}><b class="strong clip">{k.title}</b><span class="small muted clip">{k.local ? t("providers.local") : k.dialects.join(", ")}{k.accounts ? " · " + t("providers.have", { n: k.accounts }) : ""}</span></button>)}</div>
    </Dialog>
  );
}

interface Options { [name: string]: string }

/** Edit makes an account of a kind, or changes the one given. */
export function Edit(p: { kind: ProviderInfo; of?: Account; onBack?: () => void; onClose: () => void; onDone: (a: Account) => void }) {
  const { kind, of: a } = p;
  const [name, setName] = useState(a?.account_name ?? kind.name + (kind.accounts ? "-" + (kind.accounts + 1) : ""));
  const [keys, setKeys] = useState("");
  const [base, setBase] = useState(a && a.base_url !== kind.base_url ? a.base_url : "");
  const [models, setModels] = useState<string[]>(a ? modelNames(a.models) : []);
  const [weight, setWeight] = useState(String(a?.weight ?? 1));
  const [priority, setPriority] = useState(String(a?.priority ?? 0));
  const [proxy, setProxy] = useState(a?.proxy ?? "");
  const [options, setOptions] = useState<Options>(Object.fromEntries(Object.entries(a?.options ?? {}).map(([k, v]) => [k, typeof v === "string" ? v : JSON.stringify(v)])));
  const [more, setMore] = useState<More>(() => moreOf(a));
  const save = async () => {
    const secrets = secretsOf(keys);
    const body: Record<string, unknown> = { account_name: name, models: modelsOf(models), weight: Number(weight) || 1, priority: Number(priority) || 0 };
    if (base || a) body.base_url = base;
    if (secrets.length === 1) body.api_key = secrets[0]?.key;
    else if (secrets.length) body.api_keys = secrets;
    Object.assign(body, changedOf(more, moreOf(a)));
    if (proxy || a) body.proxy = proxy;
    const set = Object.entries(options).filter(([, v]) => v !== "");
    if (set.length) body.options = Object.fromEntries(set);
    p.onDone(a ? await patch<Account>(pathOf(a.id), body) : await post<Account>(root, { provider: kind.name, ...body }));
  };
  return (
    <Form title={a ? t("providers.edit", { name: a.account_name }) : t("providers.add_one", { name: kind.title })} action={t(a ? "action.save" : "providers.add")} onSubmit={save} onClose={p.onClose} ready={name.trim() !== "" && (!kind.needs_base_url || base !== "" || a !== undefined)}>
      <div class="fields">
        <Text name={t("col.name")} value={name} onInput={setName} required />
        <Text name={t("providers.base")} value={base} onInput={setBase} mono placeholder={kind.base_url} required={kind.needs_base_url && !a} />
      </div>
      <label class="field">
        <span class="name">{t("providers.secret")}</span>
        <textarea class="area mono masked" rows={2} value={keys} autoComplete="off" spellcheck={false} placeholder={a ? t("providers.secret_keep", { hint: a.api_key_hint || "–" }) : "sk-…"} onInput={(e) => setKeys(e.currentTarget.value)} />
        <span class="hint">{t("providers.secret_hint")}</span>
      </label>
      <Tags name={t("keys.models")} value={models} onChange={setModels} placeholder={t("providers.models_hint")} hint={t("providers.models_map")} />
      {kind.options.length > 0 && <div class="fields">{kind.options.map((o) => <Text key={o.name} name={o.name + (o.required ? " *" : "")} value={options[o.name] ?? ""} onInput={(v) => setOptions({ ...options, [o.name]: v })} required={o.required} placeholder={o.example} hint={named("option." + kind.name + ".", o.name, o.description)} mono />)}</div>}
      <details>
        <summary>{t("label.more_settings")}</summary>
        <div class="stack">
          <div class="fields">
            <Text name={t("providers.weight_name")} value={weight} onInput={setWeight} type="number" hint={t("providers.weight_hint")} />
            <Text name={t("providers.priority_name")} value={priority} onInput={setPriority} type="number" hint={t("providers.priority_hint")} />
            <Text name={t("providers.proxy")} value={proxy} onInput={setProxy} mono placeholder="direct" />
          </div>
          <MoreFields of={more} onChange={(part) => setMore({ ...more, ...part })} />
        </div>
      </details>
      {p.onBack && <div><Button small kind="quiet" icon="left" onClick={p.onBack}>{t("providers.other")}</Button></div>}
    </Form>
  );
}

const timers = ["dial", "tls", "ttfb", "ttfb_stream", "first_event", "idle", "total", "total_stream"] as const;
const usualTimes: Record<(typeof timers)[number], string> = { dial: "3s", tls: "5s", ttfb: "5m", ttfb_stream: "1m", first_event: "2m", idle: "2m", total: "10m", total_stream: "1h" };

/** More is what few accounts need, as it is written in the form. */
export interface More { headers: string; set: string; drop: string[]; rename: string[]; timeouts: Options; prices: string; http2: boolean }

interface Params { set?: Record<string, unknown>; drop?: string[]; rename?: Record<string, string> }

const json = (v: unknown): string => (v && Object.keys(v).length ? JSON.stringify(v, null, 2) : "");

export function moreOf(a: Account | undefined): More {
  const params = (a?.params ?? {}) as Params;
  return {
    headers: Object.entries(a?.headers ?? {}).map(([k, v]) => `${k}: ${v}`).join("\n"),
    set: json(params.set), drop: params.drop ?? [], rename: Object.entries(params.rename ?? {}).map(([k, v]) => `${k}=${v}`),
    timeouts: { ...(a?.timeouts ?? {}) }, prices: json(a?.prices), http2: a?.http2 ?? false,
  };
}

/** changedOf is what the gateway has to be told; it throws what the reader can mend. */
export function changedOf(now: More, was: More): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  const differs = (...names: (keyof More)[]) => names.some((n) => JSON.stringify(now[n]) !== JSON.stringify(was[n]));
  const object = (text: string, name: string): Record<string, unknown> => {
    if (!text.trim()) return {};
    try {
      const v: unknown = JSON.parse(text);
      if (typeof v === "object" && v !== null && !Array.isArray(v)) return v as Record<string, unknown>;
    } catch { /* told below */ }
    throw new Error(t("providers.not_json", { name }));
  };
  if (differs("headers")) {
    out.headers = Object.fromEntries(now.headers.split("\n").filter((l) => l.trim()).map((l) => {
      const i = l.indexOf(":");
      if (i < 1) throw new Error(t("providers.bad_header", { line: l }));
      return [l.slice(0, i).trim(), l.slice(i + 1).trim()];
    }));
  }
  if (differs("set", "drop", "rename")) {
    const params: Params = {};
    const set = object(now.set, t("providers.set"));
    if (Object.keys(set).length) params.set = set;
    if (now.drop.length) params.drop = now.drop;
    if (now.rename.length) {
      params.rename = Object.fromEntries(now.rename.map((w) => {
        const i = w.indexOf("=");
        if (i < 1) throw new Error(t("providers.bad_rename", { word: w }));
        return [w.slice(0, i), w.slice(i + 1)];
      }));
    }
    out.params = params;
  }
  if (differs("timeouts")) out.timeouts = Object.fromEntries(Object.entries(now.timeouts).filter(([, v]) => v.trim()));
  if (differs("prices")) out.prices = object(now.prices, t("providers.prices"));
  if (differs("http2")) out.http2 = now.http2;
  return out;
}

/** secretsOf reads keys, one a line, each with the weight that may follow it. */
export function secretsOf(text: string): { key: string; weight: number }[] {
  return text.split("\n").flatMap((line) => {
    const [key, weight, ...rest] = line.trim().split(/\s+/);
    if (!key) return [];
    if (weight !== undefined && rest.length === 0 && /^\d{1,4}$/.test(weight)) return [{ key, weight: Number(weight) }];
    return [key, ...(weight ? [weight] : []), ...rest].map((k) => ({ key: k, weight: 1 })); // keys side by side
  });
}

function MoreFields({ of: m, onChange }: { of: More; onChange: (part: Partial<More>) => void }) {
  const area = (name: string, value: string, set: (v: string) => void, placeholder: string, hint: string) => (
    <Field name={name} hint={hint}>{(id) => <textarea id={id} class="area mono" rows={2} value={value} spellcheck={false} autoComplete="off" placeholder={placeholder} onInput={(e) => set(e.currentTarget.value)} />}</Field>
  );
  return (
    <div class="stack">
      {area(t("providers.headers"), m.headers, (headers) => onChange({ headers }), "HTTP-Referer: example", t("providers.headers_hint"))}
      <fieldset class="plain">
        <legend class="small muted">{t("providers.params")}</legend>
        {area(t("providers.set"), m.set, (set) => onChange({ set }), '{"temperature": 0.2}', t("providers.set_hint"))}
        <div class="fields">
          <Tags name={t("providers.drop")} value={m.drop} onChange={(drop) => onChange({ drop })} placeholder="logit_bias" />
          <Tags name={t("providers.rename")} value={m.rename} onChange={(rename) => onChange({ rename })} placeholder="max_tokens=max_completion_tokens" />
        </div>
      </fieldset>
      <fieldset class="plain">
        <legend class="small muted">{t("providers.timeouts")}</legend>
        <div class="fields small-fields">{timers.map((n) => <Text key={n} name={named("timer.", n)} value={m.timeouts[n] ?? ""} onInput={(v) => onChange({ timeouts: { ...m.timeouts, [n]: v } })} placeholder={usualTimes[n]} mono />)}</div>
      </fieldset>
      {area(t("providers.prices"), m.prices, (prices) => onChange({ prices }), '{"gpt-4o": {"input": 2, "output": 8}, "*": {"factor": 0.9}}', t("providers.prices_hint"))}
      <label class="check"><input type="checkbox" checked={m.http2} onChange={(e) => onChange({ http2: e.currentTarget.checked })} />{t("providers.http2")}</label>
    </div>
  );
}
