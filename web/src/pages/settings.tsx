import { useState } from "preact/hooks";
import { failure, post, send, useGet } from "../api";
import { useMay, useShell } from "../context";
import { download } from "../download";
import { size, usd, whole } from "../format";
import { languages, named, t, type Lang } from "../i18n";
import { setQuery, useRoute } from "../router";
import type { EffectiveSetting, Notifications, Settings as Data, Status } from "../types";
import type { Theme } from "../theme";
import { attempt, say } from "../ui/dialog";
import { Button, Card, Failure, Segments, Skeleton, Time } from "../ui/kit";

/** mostInBrowser is how large a store may be for the browser to hold its backup. */
const mostInBrowser = 256 << 20;

interface Proof { clean: boolean; days: number; rows: number; roll_ups: number; charged_usd: number; fault?: string; took_ms: number }

export function Settings() {
  const { query } = useRoute();
  const shell = useShell();
  const write = useMay("config:write"), admin = useMay("admin");
  const { data, error, reload } = useGet<Data>("/v1/admin/settings");
  const status = useGet<Status>("/v1/admin/status", 10_000);
  const [proof, prove] = useState<Proof | null>(null);
  const [busy, work] = useState(false);
  const q = (query.get("q") ?? "").toLowerCase();
  const own = query.get("own") === "1";
  const list = (data?.data ?? []).filter((s) => (!q || (s.name + saidOf(s) + s.value).toLowerCase().includes(q)) && (!own || s.origin !== "default"));
  const families = [...new Set(list.map((s) => (s.name.includes(".") ? s.name.slice(0, s.name.indexOf(".")) : "")))];
  const verify = () => {
    work(true);
    void attempt(async () => prove(await post<Proof>("/v1/admin/ledger/verify"))).then(() => work(false));
  };
  const s = status.data;
  const backup = () => {
    work(true);
    void attempt(async () => {
      const res = await send("POST", "/v1/admin/store/backup", "{}", undefined, "application/x-tar");
      if (!res.ok) throw await failure(res);
      download(`ai-gateway-${new Date().toISOString().slice(0, 10)}.tar`, "application/x-tar", await res.blob());
    }).then(() => work(false));
  };
  return (
    <>
      <div class="page-head">
        <h1>{t("nav.settings")}</h1>
        {write && <Button icon="refresh" onClick={() => void attempt(async () => { const r = await post<{ revision: number; restart_needed: string[] | null }>("/v1/admin/config/reload"); say(r.restart_needed?.length ? t("settings.restart_for", { names: r.restart_needed.join(", ") }) : t("settings.reloaded", { n: r.revision })); reload(); })}>{t("settings.reload")}</Button>}
      </div>
      <div class="grid2">
        <Card title={t("settings.page")}>
          <div class="stack">
            <div class="row wrap"><span class="muted label-col">{t("language.label")}</span><Segments label={t("language.label")} value={shell.lang} options={languages.map((l): [Lang, string] => [l.id, l.label])} onChange={shell.choose} /></div>
            <div class="row wrap"><span class="muted label-col">{t("theme.label")}</span><Segments label={t("theme.label")} value={shell.theme} options={(["auto", "light", "dark"] as Theme[]).map((x): [Theme, string] => [x, t(`theme.${x}`)])} onChange={shell.paint} /></div>
            <div class="row wrap"><span class="muted label-col">{t("session.who")}</span><b class="strong">{shell.session.name}</b><span class="muted small">{shell.session.scopes.join(", ") || t("role.relay")} · {t("session.until")} <Time at={shell.session.expires_at} /></span></div>
          </div>
        </Card>
        <Card title={t("settings.gateway")} tools={<>{admin && s && s.store.bytes < mostInBrowser && <Button small icon="download" onClick={backup} disabled={busy}>{t("settings.backup")}</Button>}<Button small onClick={verify} disabled={busy}>{t("settings.verify")}</Button></>}>
          {status.error && <Failure error={status.error} retry={status.reload} />}
          {s && (
            <dl class="pairs two">
              <dt>{t("settings.version")}</dt><dd>{s.version} <span class="muted">{s.go_version}</span></dd>
              <dt>{t("settings.started")}</dt><dd><Time at={s.started_at} /></dd>
              <dt>{t("settings.store")}</dt><dd>{s.store.kind} · {size(s.store.bytes)}</dd>
              <dt>{t("settings.days")}</dt><dd>{whole(s.store.day_files)}{s.store.oldest_day ? " · " + s.store.oldest_day : ""}</dd>
              <dt>{t("settings.ledger")}</dt><dd class={s.ledger.error || s.ledger.disk_is_full ? "bad" : ""}>{s.ledger.error || (s.ledger.disk_is_full ? t("settings.disk_full") : t("settings.lag", { n: whole(s.ledger.lag) }))}</dd>
              <dt>{t("settings.fsync")}</dt><dd>{s.ledger.sync_p99_ms === null ? "–" : s.ledger.sync_p99_ms + " ms"}</dd>
              <dt>{t("settings.memory")}</dt><dd>{size(s.heap_bytes)}</dd>
              {s.store.bytes >= mostInBrowser && <><dt>{t("settings.backup")}</dt><dd class="mono small">ai-gateway store backup FILE</dd></>}
              <dt>{t("settings.in_flight")}</dt><dd>{whole(s.in_flight)}</dd>
            </dl>
          )}
          {proof && <div class={"note " + (proof.clean ? "ok" : "bad")}>{proof.clean ? t("settings.proved", { rows: whole(proof.rows), rollups: whole(proof.roll_ups), cost: usd(proof.charged_usd) }) : proof.fault}</div>}
        </Card>
      </div>
      <Notices write={write} />
      <Card title={t("settings.effective")} flush tools={<><label class="check small"><input type="checkbox" checked={own} onChange={(e) => setQuery({ own: e.currentTarget.checked ? "1" : "" })} />{t("settings.own")}</label><input data-filter class="input search" type="search" placeholder={t("settings.find")} aria-label={t("settings.find")} value={query.get("q") ?? ""} onInput={(e) => setQuery({ q: e.currentTarget.value })} /></>}>
        {error && <div class="body"><Failure error={error} retry={reload} /></div>}
        {!data && !error && <Skeleton lines={8} />}
        {data && (
          <div class="scroll" tabIndex={0} role="group" aria-label={t("label.table")}>
            <table>
              <thead><tr><th scope="col">{t("settings.name")}</th><th scope="col">{t("settings.value")}</th><th scope="col">{t("settings.origin")}</th><th scope="col" class="only-wide">{t("settings.change")}</th></tr></thead>
              <tbody>{families.map((f) => list.filter((x) => (x.name.includes(".") ? x.name.slice(0, x.name.indexOf(".")) : "") === f).map((x) => <Row key={x.name} s={x} />))}</tbody>
            </table>
          </div>
        )}
        {data && <p class="small muted pad-cell">{t("settings.how")} {data.file && <span class="mono">{data.file}</span>} · {t("settings.revision", { n: data.revision })}</p>}
      </Card>
    </>
  );
}

/** Notices tells whom the gateway tells of what somebody should look at. */
function Notices({ write }: { write: boolean }) {
  const { data: n, error, reload } = useGet<Notifications>("/v1/admin/notifications", 30_000);
  const test = () => void attempt(async () => {
    const r = await post<{ ok: boolean; error?: string }>("/v1/admin/notifications/test");
    say(r.ok ? t("notify.arrived") : (r.error ?? ""), r.ok ? "ok" : "bad");
    reload();
  });
  return (
    <Card title={t("notify.title")} tools={write && n?.webhook && <Button small onClick={test}>{t("notify.test")}</Button>}>
      {error && <Failure error={error} retry={reload} />}
      {n && !n.webhook && <span class="muted">{t("notify.none")} <span class="mono small">AI_GATEWAY_NOTIFICATIONS_WEBHOOK</span></span>}
      {n?.webhook && (
        <div class="stack">
          <div class="row wrap"><span class="mono any-wrap">{n.webhook}</span><span class="chip">{n.template}</span><span class="small muted">{t("notify.counts", { sent: whole(n.sent), failed: whole(n.failed + n.dropped) })}{n.last_sent && <> · <Time at={n.last_sent} /></>}</span></div>
          <div class="chips">{n.events.map((e) => <span class="chip mono" key={e}>{e}</span>)}</div>
          {n.last_error && <div class="note bad">{n.last_error}</div>}
        </div>
      )}
    </Card>
  );
}

/** saidOf tells what a setting means, in the language in use. */
const saidOf = (s: EffectiveSetting): string => named("setting.", s.name, s.description);

function Row({ s }: { s: EffectiveSetting }) {
  return (
    <tr>
      <td><div class="mono">{s.name}</div><div class="small muted">{saidOf(s)}</div></td>
      <td class="mono any-wrap">{s.value === "" ? <span class="muted">–</span> : s.value}{s.value !== s.default && s.default !== "" && <div class="small muted">{t("settings.default", { value: s.default })}</div>}</td>
      <td><span class={"chip" + (s.origin === "default" ? "" : " accent")} title={s.where}>{named("origin.", s.origin)}</span></td>
      <td class="only-wide small mono muted"><div>{s.env}</div><div>{s.flag}{s.restart && <span> · {t("settings.restart")}</span>}</div></td>
    </tr>
  );
}

