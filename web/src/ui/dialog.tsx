// Dialogs and drawers: the browser's own, which hold the focus and close on Escape.
import { useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { ApiError } from "../api";
import { t } from "../i18n";
import { Icon } from "./icon";
import { Button, Failure, wording, type Kids } from "./kit";

/** useModal opens a dialog with its first render, so that the next key is already its own, and gives the focus back. */
function useModal() {
  const ref = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const d = ref.current;
    const before = document.activeElement;
    if (d && !d.open) d.showModal();
    return () => {
      d?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return ref;
}

export function Dialog(p: { title: Kids; onClose: () => void; children: Kids; foot?: Kids; kind?: "modal" | "drawer" | "modal narrow"; tools?: Kids; label?: string }) {
  const ref = useModal();
  return (
    <dialog ref={ref} class={p.kind ?? "modal"} aria-label={p.label ?? (typeof p.title === "string" ? p.title : undefined)}
      onCancel={(e) => { e.preventDefault(); p.onClose(); }}
      onMouseDown={(e) => { if (e.target === ref.current && p.kind === "drawer") p.onClose(); }}>
      <div class="dlg-head"><h2 class="clip">{p.title}</h2>{p.tools}<Button icon="close" kind="quiet" small label={t("action.close")} onClick={p.onClose} /></div>
      <div class="dlg-body" tabIndex={-1}>{p.children}</div>
      {p.foot && <div class="dlg-foot">{p.foot}</div>}
    </dialog>
  );
}

/** Form is a dialog that does one thing: it stays open with the reason where that fails. */
export function Form(p: { title: string; action: string; onSubmit: () => Promise<void>; onClose: () => void; children: Kids; danger?: boolean; narrow?: boolean; ready?: boolean }) {
  const [error, fail] = useState<ApiError | null>(null);
  const [busy, work] = useState(false);
  const submit = async (e: Event) => {
    e.preventDefault();
    if (busy) return;
    work(true);
    fail(null);
    try {
      await p.onSubmit();
    } catch (err) {
      fail(err instanceof ApiError ? err : new ApiError(0, "page", err instanceof Error ? err.message : String(err), ""));
    }
    work(false);
  };
  const ref = useModal();
  const id = useId(); // a session that ends opens one over another
  return (
    <dialog ref={ref} class={p.narrow ? "modal narrow" : "modal"} aria-label={p.title} onCancel={(e) => { e.preventDefault(); p.onClose(); }}>
      <div class="dlg-head"><h2>{p.title}</h2><Button icon="close" kind="quiet" small label={t("action.close")} onClick={p.onClose} /></div>
      <form class="dlg-body" id={id} onSubmit={(e) => void submit(e)}>
        {p.children}
        {error && <Failure error={error} />}
      </form>
      <div class="dlg-foot">
        <Button onClick={p.onClose}>{t("action.cancel")}</Button>
        <button type="submit" form={id} class={"btn " + (p.danger ? "danger filled" : "main-action")} disabled={busy || p.ready === false}>{p.action}</button>
      </div>
    </dialog>
  );
}

/** Confirm asks before what cannot be undone; with `word` that has to be typed. */
export function Confirm(p: { title: string; text: string; action: string; word?: string; onYes: () => Promise<void>; onClose: () => void }) {
  const [typed, set] = useState("");
  return (
    <Form title={p.title} action={p.action} danger narrow onSubmit={p.onYes} onClose={p.onClose} ready={!p.word || typed === p.word}>
      <p class="wrap-any">{p.text}</p>
      {p.word && (
        <label class="field"><span class="name">{t("confirm.type", { word: p.word })}</span><input class="input mono" value={typed} autoComplete="off" spellcheck={false} onInput={(e) => set(e.currentTarget.value)} /></label>
      )}
    </Form>
  );
}

interface Toast { id: number; tone: string; text: string }
let shown: Toast[] = [];
let told: (list: Toast[]) => void = () => {};
let next = 0;

/** say shows a message for a while. */
export function say(text: string, tone: "ok" | "bad" = "ok"): void {
  const one = { id: next++, tone, text };
  shown = [...shown.slice(-3), one];
  told(shown);
  setTimeout(() => {
    shown = shown.filter((x) => x !== one);
    told(shown);
  }, tone === "bad" ? 9000 : 4000);
}

/** attempt runs what a button does and tells of its failure. */
export async function attempt(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (e) {
    say(wording(e), "bad");
    return false;
  }
}

export function Toasts() {
  const [list, set] = useState(shown);
  told = set;
  return <div class="toasts" role="status" aria-live="polite">{list.map((x) => <div key={x.id} class={"note " + x.tone}><span class={x.tone}><Icon name={x.tone === "ok" ? "check" : "alert"} /></span><span>{x.text}</span></div>)}</div>;
}
