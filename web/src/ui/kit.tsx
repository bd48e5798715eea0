// The small parts that all pages are made of.
import type { ComponentChildren, TargetedKeyboardEvent, TargetedMouseEvent } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { ApiError } from "../api";
import { ago, exact, usd, count, percent } from "../format";
import { named, t } from "../i18n";
import { go } from "../router";
import type { Limit } from "../types";
import { Icon } from "./icon";

export type Kids = ComponentChildren;

export function Button(p: { children?: Kids; onClick?: () => void; kind?: "main-action" | "danger" | "quiet" | "danger filled" | ""; icon?: string; label?: string; small?: boolean; disabled?: boolean; type?: "button" | "submit"; title?: string; pressed?: boolean; id?: string }) {
  const cls = ["btn", p.kind ?? "", p.small ? "sm" : "", p.icon && !p.children ? "icon" : ""].filter(Boolean).join(" ");
  return (
    <button id={p.id} type={p.type ?? "button"} class={cls} onClick={p.onClick} disabled={p.disabled} aria-label={p.label} title={p.title ?? p.label} aria-pressed={p.pressed}>
      {p.icon && <Icon name={p.icon} />}
      {p.children}
    </button>
  );
}

/** Link leads within the page without loading it anew. */
export function Link(p: { to: string; children: Kids; class?: string; label?: string; current?: boolean; title?: string }) {
  const click = (e: TargetedMouseEvent<HTMLAnchorElement>) => {
    if (e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
    e.preventDefault();
    e.stopPropagation();
    go(p.to);
  };
  return <a href={p.to} class={p.class} onClick={click} aria-label={p.label} aria-current={p.current ? "page" : undefined} title={p.title}>{p.children}</a>;
}

export function Field(p: { name: string; hint?: Kids; children: (id: string) => Kids; class?: string }) {
  const id = useId();
  return (
    <div class={"field " + (p.class ?? "")}>
      <label class="name" for={id}>{p.name}</label>
      {p.children(id)}
      {p.hint && <span class="hint">{p.hint}</span>}
    </div>
  );
}

export function Text(p: { name: string; value: string; onInput: (v: string) => void; hint?: Kids; placeholder?: string; required?: boolean; type?: "text" | "password" | "number"; mono?: boolean; list?: string[]; autofocus?: boolean; disabled?: boolean; pattern?: string }) {
  const list = useId();
  const ref = useRef<HTMLInputElement>(null);
  useEffect(() => { if (p.autofocus) ref.current?.focus(); }, []);
  return (
    <Field name={p.name} hint={p.hint}>
      {(id) => (
        <>
          <input id={id} ref={ref} class={"input" + (p.mono ? " mono" : "")} type={(p.type ?? "text") as "text"} value={p.value} placeholder={p.placeholder} required={p.required} disabled={p.disabled} pattern={p.pattern}
            autoComplete="off" spellcheck={false} {...(p.list ? { list } : {})} onInput={(e) => p.onInput(e.currentTarget.value)} />
          {p.list && <datalist id={list}>{p.list.slice(0, 500).map((v) => <option key={v} value={v} />)}</datalist>}
        </>
      )}
    </Field>
  );
}

export function Select(p: { name: string; value: string; options: [string, string][]; onChange: (v: string) => void; hint?: Kids; bare?: boolean; disabled?: boolean }) {
  const options = p.options.map(([v, label]) => <option key={v} value={v}>{label}</option>);
  if (p.bare) return <select class="select auto" aria-label={p.name} value={p.value} disabled={p.disabled} onChange={(e) => p.onChange(e.currentTarget.value)}>{options}</select>;
  return <Field name={p.name} hint={p.hint}>{(id) => <select id={id} class="select" value={p.value} disabled={p.disabled} onChange={(e) => p.onChange(e.currentTarget.value)}>{options}</select>}</Field>;
}

export function Segments<T extends string>(p: { label: string; value: T; options: [T, string][]; onChange: (v: T) => void }) {
  return (
    <div class="seg" role="group" aria-label={p.label}>
      {p.options.map(([v, label]) => <button key={v} type="button" aria-pressed={v === p.value} onClick={() => p.onChange(v)}>{label}</button>)}
    </div>
  );
}

/** Tags edits a list of words: Enter or a comma adds one, Backspace takes the last away. */
export function Tags(p: { name: string; value: string[]; onChange: (v: string[]) => void; placeholder?: string; hint?: Kids; list?: string[] }) {
  const [text, set] = useState("");
  const list = useId();
  const add = (s: string) => {
    const more = s.split(/[,\s]+/).filter((w) => w && !p.value.includes(w));
    if (more.length) p.onChange([...p.value, ...more]);
    set("");
  };
  return (
    <Field name={p.name} hint={p.hint}>
      {(id) => (
        <div class="querybar">
          {p.value.map((v) => (
            <span class="chip mono" key={v}>{v}<button type="button" aria-label={t("action.remove_one", { name: v })} onClick={() => p.onChange(p.value.filter((x) => x !== v))}>×</button></span>
          ))}
          <input id={id} value={text} placeholder={p.value.length ? "" : p.placeholder} list={p.list ? list : undefined} autoComplete="off" spellcheck={false}
            onInput={(e) => { const v = e.currentTarget.value; if (/[,\s]$/.test(v)) add(v); else set(v); }}
            onBlur={() => add(text)}
            onKeyDown={(e) => {
              if (e.key === "Enter" && text) { e.preventDefault(); add(text); }
              else if (e.key === "Backspace" && !text && p.value.length) p.onChange(p.value.slice(0, -1));
            }} />
          {p.list && <datalist id={list}>{p.list.slice(0, 500).map((v) => <option key={v} value={v} />)}</datalist>}
        </div>
      )}
    </Field>
  );
}

const marks: Record<string, [string, string]> = {
  ok: ["●", "ok"], active: ["●", "ok"], probing: ["▲", "warn"], failing: ["▲", "warn"], cooling: ["▲", "warn"], open: ["✗", "bad"], parked: ["✗", "bad"],
  paused: ["‖", "muted"], disabled: ["‖", "muted"], expired: ["‖", "muted"], revoked: ["✗", "bad"], unused: ["○", "muted"], running: ["◌", "muted"],
};

/** State shows a state by sign, colour and word. */
export function State(p: { of: string; title?: string }) {
  const [mark, tone] = marks[p.of] ?? ["○", "muted"];
  return <span class={"state " + tone} title={p.title}><i aria-hidden="true">{mark}</i>{named("state.", p.of)}</span>;
}

/** Outcome is how a request ended. */
export function Outcome(p: { status: number; reason: string }) {
  const tone = p.status === 0 ? "muted" : p.status < 400 ? (p.reason === "stop" || p.reason === "complete" || p.reason === "" ? "ok" : "muted") : p.status < 500 ? "warn" : "bad";
  const mark = p.status < 400 ? "●" : p.status < 500 ? "▲" : "✗";
  return <span class={"state " + tone} title={p.reason}><i aria-hidden="true">{mark}</i>{p.status || t("state.running")}</span>;
}

export function Time(p: { at: string | null | undefined; none?: string }) {
  if (!p.at || p.at.startsWith("0001")) return <span class="muted">{p.none ?? "–"}</span>;
  return <time dateTime={p.at} title={exact(p.at)}>{ago(p.at)}</time>;
}

export function Copy(p: { text: string; label?: string; small?: boolean; kind?: "quiet" | "" | "main-action"; word?: string }) {
  const [done, set] = useState(false);
  const copy = async () => {
    await toClipboard(p.text);
    set(true);
    setTimeout(() => set(false), 1500);
  };
  return <Button small={p.small ?? true} kind={p.kind ?? "quiet"} icon={done ? "check" : "copy"} label={p.label ?? t("action.copy")} onClick={() => void copy()}>{p.word && (done ? t("action.copied") : p.word)}</Button>;
}

async function toClipboard(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch { // not a secure context
    const area = document.createElement("textarea");
    area.value = text;
    (document.querySelector("dialog[open]") ?? document.body).append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

export function Code(p: { text: string; label?: string }) {
  return <div class="code"><pre tabIndex={0} role="region" aria-label={p.label ?? t("label.code")}>{p.text}</pre><span class="copy"><Copy text={p.text} /></span></div>;
}

/** wording says what an error means; the gateway's own errors say it themselves. */
export function wording(e: unknown): string {
  if (e instanceof ApiError && e.code === "unreachable") return t("error.unreachable");
  if (e instanceof ApiError && e.code === "foreign") return t("error.foreign", { status: String(e.status) });
  return e instanceof Error ? e.message : String(e);
}

/** Failure tells what went wrong and what to do. */
export function Failure(p: { error: ApiError; retry?: () => void }) {
  return (
    <div class="note bad" role="alert">
      <Icon name="alert" />
      <div class="grow"><span>{wording(p.error)}</span>{p.error.requestId && <span class="muted small mono"> {p.error.requestId}</span>}</div>
      {p.retry && <Button small onClick={p.retry}>{t("action.retry")}</Button>}
    </div>
  );
}

export const Empty = (p: { text: string; children?: Kids }) => <div class="empty"><span>{p.text}</span>{p.children}</div>;

export const Skeleton = (p: { lines?: number; tall?: boolean }) => (
  <div aria-busy="true" aria-label={t("label.loading")} role="status">{Array.from({ length: p.lines ?? 1 }, (_, i) => <div key={i} class={p.tall ? "skel tall" : "skel line"} />)}</div>
);

/** toneOf colours how much of a limit is used. */
export const toneOf = (percentUsed: number): string => (percentUsed >= 100 ? "bad" : percentUsed >= 80 ? "warn" : "ok");

/** Bar is a part of a whole, from 0 to 1. */
export function Bar(p: { part: number; more?: number; tone?: string; label: string }) {
  const part = Math.max(0, Math.min(1, p.part));
  const all = Math.max(part, Math.min(1, part + (p.more ?? 0)));
  return (
    <div class="bar" role="img" aria-label={p.label}>
      {all > part && <i class="res" style={{ width: all * 100 + "%" }} />}
      <i class={p.tone ?? ""} style={{ width: part * 100 + "%" }} />
    </div>
  );
}

export const amount = (kind: string, v: number): string => (kind === "cost_usd" ? usd(v) : count(v));

export function QuotaBar(p: { limit: Limit; name?: boolean }) {
  const l = p.limit;
  const used = l.limit > 0 ? l.used / l.limit : 0;
  const words = `${amount(l.kind, l.used)} / ${amount(l.kind, l.limit)}`;
  return (
    <div class="quota" title={l.resets_at ? t("quota.resets", { when: exact(l.resets_at) }) : undefined}>
      <div class="line"><span class="clip">{p.name ? l.policy + " · " : ""}{named("kind.", l.kind)}{l.window ? " / " + named("window.", l.window) : ""}</span><span class="nowrap muted">{words}</span></div>
      <Bar part={used} more={l.limit > 0 ? l.reserved / l.limit : 0} tone={toneOf(used * 100)} label={`${words}, ${percent(used * 100)}`} />
    </div>
  );
}

export function Card(p: { title?: Kids; tools?: Kids; children: Kids; class?: string; flush?: boolean }) {
  return (
    <section class={"card " + (p.class ?? "")}>
      {(p.title || p.tools) && <div class="head">{p.title && <h2 class="grow">{p.title}</h2>}{p.tools}</div>}
      {p.flush ? p.children : <div class="body">{p.children}</div>}
    </section>
  );
}

export function Tile(p: { label: string; value: Kids; sub?: Kids; aside?: Kids }) {
  return <div class="tile"><div class="label"><span>{p.label}</span>{p.aside}</div><div class="value">{p.value}</div><div class="sub clip">{p.sub}</div></div>;
}

/** onEnter makes a row of a table react to the keyboard as to a click, and arrows move. */
export function rowKeys(act: () => void) {
  return (e: TargetedKeyboardEvent<HTMLElement>) => {
    if (e.target !== e.currentTarget) return;
    if (e.key === "Enter" || e.key === " ") { e.preventDefault(); act(); }
    const to = e.key === "ArrowDown" ? e.currentTarget.nextElementSibling : e.key === "ArrowUp" ? e.currentTarget.previousElementSibling : null;
    if (to instanceof HTMLElement) { e.preventDefault(); to.focus(); }
  };
}
