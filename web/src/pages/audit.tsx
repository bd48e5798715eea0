import { useState } from "preact/hooks";
import { exact } from "../format";
import { named, t } from "../i18n";
import { setQuery, useRoute } from "../router";
import type { AuditRow } from "../types";
import { Button, Card, Code, Empty, Failure, Skeleton, Time } from "../ui/kit";
import { usePaged } from "../ui/paged";

export function Audit() {
  const { query } = useRoute();
  const list = usePaged<AuditRow>("/v1/admin/audit", { actor: query.get("actor") ?? "", action: query.get("action") ?? "" });
  const [open, set] = useState("");
  return (
    <>
      <div class="page-head">
        <h1>{t("nav.audit")}</h1>
        <div class="chips">{(["actor", "action"] as const).map((f) => { const v = query.get(f); return v && <span class="chip accent" key={f}>{named("audit.", f)}: {v}<button type="button" aria-label={t("action.remove_one", { name: v })} onClick={() => setQuery({ [f]: "" })}>×</button></span>; })}</div>
        <Button icon="refresh" onClick={list.reload}>{t("action.refresh")}</Button>
      </div>
      {list.error && <Failure error={list.error} retry={list.reload} />}
      {!list.data && !list.error && <Skeleton lines={8} />}
      {list.data?.length === 0 && <Empty text={t("audit.empty")} />}
      {list.data && list.data.length > 0 && (
        <Card flush>
          <div class="scroll" tabIndex={0} role="group" aria-label={t("label.table")}>
            <table>
              <thead><tr><th scope="col">{t("col.time")}</th><th scope="col">{t("audit.actor")}</th><th scope="col">{t("audit.action")}</th><th scope="col">{t("audit.object")}</th><th scope="col" class="only-wide">IP</th><th scope="col"><span class="hidden-text">{t("audit.change")}</span></th></tr></thead>
              <tbody>
                {list.data.map((r) => (
                  <>
                    <tr key={r.id}>
                      <td class="nowrap"><Time at={r.time} /></td>
                      <td class="clip cap"><button type="button" class="linklike" title={r.actor} onClick={() => setQuery({ actor: r.actor })}>{r.actor_name || r.actor}</button></td>
                      <td class="nowrap"><button type="button" class={"linklike mono" + (r.action.startsWith("denied") ? " bad" : "")} onClick={() => setQuery({ action: r.action })}>{r.action}</button></td>
                      <td class="clip cap" title={r.object}>{objectOf(r) ? <>{objectOf(r)} <span class="muted small mono">{r.object.length > 12 ? "…" + r.object.slice(-6) : r.object}</span></> : <span class="mono">{r.object}</span>}</td>
                      <td class="only-wide mono">{r.ip}</td>
                      <td class="num">{(r.before !== undefined || r.after !== undefined) && <Button small kind="quiet" pressed={open === r.id} onClick={() => set(open === r.id ? "" : r.id)}>{t("audit.change")}</Button>}</td>
                    </tr>
                    {open === r.id && <tr key={r.id + "d"}><td colSpan={6}><div class="pad-cell"><span class="small muted">{exact(r.time)} · {r.id}</span><Difference before={r.before} after={r.after} /></div></td></tr>}
                  </>
                ))}
              </tbody>
            </table>
          </div>
          {list.more && <div class="dlg-foot"><Button onClick={list.more}>{t("action.more")}</Button></div>}
        </Card>
      )}
    </>
  );
}

const record = (v: unknown): Record<string, unknown> => (typeof v === "object" && v !== null && !Array.isArray(v) ? (v as Record<string, unknown>) : {});
const text = (v: unknown): string => (v === undefined ? "–" : typeof v === "string" ? v : JSON.stringify(v));

/** objectOf is the name that what was changed has, or had. */
export function objectOf(r: AuditRow): string {
  const v = { ...record(r.before), ...record(r.after) };
  for (const name of ["account_name", "alias", "name"]) if (typeof v[name] === "string") return v[name];
  return "";
}

/** changed lists the members that differ. */
export function changed(before: unknown, after: unknown): [string, string, string][] {
  const a = record(before), b = record(after);
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].map((k): [string, string, string] => [k, text(a[k]), text(b[k])]).filter(([, x, y]) => x !== y);
}

function Difference(p: { before: unknown; after: unknown }) {
  if (p.before === undefined || p.after === undefined || p.before === null || p.after === null) return <Code text={JSON.stringify(p.after ?? p.before, null, 2)} label={t("audit.change")} />;
  const list = changed(p.before, p.after);
  if (!list.length) return <span class="muted">{t("audit.same")}</span>;
  return <table><thead><tr><th scope="col">{t("audit.member")}</th><th scope="col">{t("audit.before")}</th><th scope="col">{t("audit.after")}</th></tr></thead><tbody>{list.map(([k, x, y]) => <tr key={k}><td class="mono">{k}</td><td class="mono any-wrap">{x}</td><td class="mono any-wrap">{y}</td></tr>)}</tbody></table>;
}
