// What is done to many keys at once.
import { useState } from "preact/hooks";
import { patch, post } from "../api";
import { download } from "../download";
import { csv } from "../filters";
import { whole } from "../format";
import { t } from "../i18n";
import type { ApiKey, NewKey } from "../types";
import { attempt, Confirm, Dialog, Form, say } from "../ui/dialog";
import { Button, Code, Field, Select, Tags, Text } from "../ui/kit";

const root = "/v1/admin/api-keys";
const most = 500;

/** namesOf reads what keys are to be called: one a line, a group may follow after a comma. */
export function namesOf(text: string): { name: string; group: string }[] {
  return text.split("\n").map((l) => l.trim()).filter(Boolean).map((l) => {
    const i = l.lastIndexOf(",");
    return i < 0 ? { name: l, group: "" } : { name: l.slice(0, i).trim(), group: l.slice(i + 1).trim() };
  }).filter((x) => x.name !== "");
}

/** Several makes keys from a list of names, and shows their secrets once. */
export function Several(p: { onClose: () => void; onDone: () => void }) {
  const [text, set] = useState("");
  const [models, setModels] = useState<string[]>([]);
  const [expires, setExpires] = useState("");
  const [made, show] = useState<NewKey[]>([]);
  const [done, finish] = useState(false);
  const names = namesOf(text);
  const save = async () => {
    const all = [...made]; // what was made before a failure is not made again
    try {
      for (const n of names.slice(all.length, most)) {
        all.push(await post<NewKey>(root, { name: n.name, ...(n.group ? { group: n.group } : {}), ...(models.length ? { models } : {}), ...(expires ? { expires_at: expires } : {}) }));
      }
    } finally {
      show(all);
      p.onDone();
    }
    finish(true);
  };
  if (done) {
    const table = csv(["name", "id", "key"], made.map((k) => [k.name, k.id, k.key]));
    return (
      <Dialog title={t("keys.made_several", { n: whole(made.length) })} onClose={p.onClose} foot={<><Button icon="download" onClick={() => download("api-keys.csv", "text/csv", table)}>CSV</Button><Button kind="main-action" onClick={p.onClose}>{t("keys.saved")}</Button></>}>
        <p>{t("keys.once")}</p>
        <Code text={table} label={t("nav.keys")} />
      </Dialog>
    );
  }
  return (
    <Form title={t("keys.several")} action={t("keys.create_n", { n: whole(names.length) })} onSubmit={save} onClose={p.onClose} ready={names.length > 0 && names.length <= most}>
      <Field name={t("keys.names")} hint={t("keys.names_hint", { most: whole(most) })}>{(id) => <textarea id={id} class="area mono" rows={8} value={text} spellcheck={false} placeholder={"alice, research\nbob, research\nci"} onInput={(e) => set(e.currentTarget.value)} disabled={made.length > 0} />}</Field>
      <Tags name={t("keys.models")} value={models} onChange={setModels} placeholder={t("keys.models_hint")} />
      <Select name={t("keys.expires")} value={expires} options={[["", t("keys.forever")], ...[7, 30, 90, 365].map((n): [string, string] => [n + "d", t("keys.in", { n })])]} onChange={setExpires} />
    </Form>
  );
}

/** Chosen is what can be done to the keys that were ticked. */
export function Chosen(p: { keys: ApiKey[]; onClear: () => void; onDone: () => void }) {
  const [asking, ask] = useState<"" | "revoke" | "group">("");
  const [group, setGroup] = useState("");
  const active = p.keys.filter((k) => k.status === "active");
  const paused = p.keys.filter((k) => k.status === "paused");
  const each = async (body: unknown, keys = p.keys) => {
    const failed: string[] = [];
    for (const k of keys) {
      if (!(await attempt(() => patch(`${root}/${encodeURIComponent(k.id)}`, body)))) failed.push(k.name);
    }
    say(failed.length ? t("keys.bulk_failed", { names: failed.join(", ") }) : t("keys.bulk_done", { n: whole(keys.length) }), failed.length ? "bad" : "ok");
    ask("");
    p.onClear();
    p.onDone();
  };
  const save = () => download("api-keys.csv", "text/csv", csv(["id", "name", "prefix", "status", "group", "scopes", "models", "created_at", "expires_at", "last_used_at"],
    p.keys.map((k) => [k.id, k.name, k.prefix, k.status, k.group ?? "", k.scopes.join(" "), k.models.join(" "), k.created_at, k.expires_at ?? "", k.last_used_at ?? ""])));
  return (
    <div class="note row wrap" role="group" aria-label={t("keys.chosen", { n: whole(p.keys.length) })}>
      <b class="strong grow">{t("keys.chosen", { n: whole(p.keys.length) })}</b>
      <Button small icon="download" onClick={save}>CSV</Button>
      <Button small onClick={() => ask("group")}>{t("keys.set_group")}</Button>
      {active.length > 0 && <Button small onClick={() => each({ paused: true }, active)}>{t("keys.pause_chosen")}</Button>}
      {paused.length > 0 && <Button small onClick={() => each({ paused: false }, paused)}>{t("keys.resume_chosen")}</Button>}
      <Button small kind="danger" onClick={() => ask("revoke")}>{t("keys.revoke_chosen")}</Button>
      <Button small kind="quiet" icon="close" label={t("keys.clear")} onClick={p.onClear} />
      {asking === "revoke" && <Confirm title={t("keys.revoke_chosen")} text={p.keys.map((k) => k.name).join(", ")} action={t("keys.revoke")} word={String(p.keys.length)} onYes={() => each({ revoked: true })} onClose={() => ask("")} />}
      {asking === "group" && <Form title={t("keys.set_group")} action={t("action.save")} narrow onSubmit={() => each({ group })} onClose={() => ask("")}><Text name={t("by.group")} value={group} onInput={setGroup} autofocus hint={t("keys.group_hint")} /></Form>}
    </div>
  );
}
