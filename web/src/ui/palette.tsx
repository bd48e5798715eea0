// The command palette: goes to a page, a key, an account, a model or a request.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { get } from "../api";
import { pages } from "../app";
import { requestId } from "../filters";
import { t } from "../i18n";
import { address, go } from "../router";
import type { Account, ApiKey, Catalogue, Page } from "../types";
import { Icon } from "./icon";

interface Entry { icon: string; text: string; what: string; to: string }

export function Palette(p: { onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [text, set] = useState("");
  const [at, move] = useState(0);
  const [things, setThings] = useState<Entry[]>([]);
  useLayoutEffect(() => dialog.current?.showModal(), []); // before the next key: after the next frame is too late for one who types on
  useEffect(() => {
    void Promise.allSettled([get<Page<ApiKey>>("/v1/admin/api-keys", { limit: 500 }), get<Page<Account>>("/v1/admin/provider-accounts", { limit: 200 }), get<Catalogue>("/v1/admin/models")]).then(([keys, accounts, models]) => {
      const all: Entry[] = [];
      if (keys.status === "fulfilled") for (const k of keys.value.data) all.push({ icon: "keys", text: k.name, what: t("label.key"), to: address("keys", { id: k.id }) });
      if (accounts.status === "fulfilled") for (const a of accounts.value.data) all.push({ icon: "providers", text: a.account_name, what: a.provider, to: address("providers", { id: a.id }) });
      if (models.status === "fulfilled") for (const m of models.value.data) all.push({ icon: "models", text: m.id, what: m.provider, to: address("models", { q: m.id }) });
      setThings(all);
    });
  }, []);
  const words = text.trim().toLowerCase();
  const id = requestId(text);
  const list: Entry[] = [
    ...(id ? [{ icon: "requests", text: id, what: t("label.request"), to: address("requests", { id }) }] : []),
    ...pages.map((x) => ({ icon: x.id, text: t(x.word), what: t("label.page"), to: address(x.id) })),
    ...(words ? things : []),
  ].filter((e) => e.text === id || !words || e.text.toLowerCase().includes(words)).slice(0, 40);
  const pick = (e: Entry | undefined) => {
    if (!e) return;
    p.onClose();
    go(e.to);
  };
  return (
    <dialog ref={dialog} class="palette" aria-label={t("palette.open")} onCancel={(e) => { e.preventDefault(); p.onClose(); }} onMouseDown={(e) => { if (e.target === dialog.current) p.onClose(); }}>
      <input value={text} placeholder={t("palette.hint")} aria-label={t("palette.hint")} role="combobox" aria-expanded="true" aria-controls="palette-list" aria-activedescendant={list.length ? "palette-" + at : undefined}
        onInput={(e) => { set(e.currentTarget.value); move(0); }}
        onKeyDown={(e) => {
          if (e.key === "ArrowDown") { e.preventDefault(); move(Math.min(at + 1, list.length - 1)); }
          else if (e.key === "ArrowUp") { e.preventDefault(); move(Math.max(at - 1, 0)); }
          else if (e.key === "Enter") { e.preventDefault(); pick(list[at]); }
        }} />
      <ul id="palette-list" role="listbox" aria-label={t("palette.open")}>
        {list.map((e, i) => <li key={e.to} id={"palette-" + i} role="option" aria-selected={i === at} onClick={() => pick(e)} onMouseMove={() => move(i)}><Icon name={e.icon} /><span class="grow clip">{e.text}</span><span class="muted small">{e.what}</span></li>)}
        {list.length === 0 && <li role="option" aria-selected="false" class="muted">{t("palette.nothing")}</li>}
      </ul>
    </dialog>
  );
}
