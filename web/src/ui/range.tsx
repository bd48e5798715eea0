// The span of time that a page shows, kept in the address.
import { t } from "../i18n";
import { setQuery } from "../router";
import { Segments } from "./kit";

const spans = ["1h", "24h", "7d", "30d", "90d"] as const;

export interface Range { last?: string; start_date?: string; end_date?: string; tz: string }

export const zone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

const iso = (d: Date) => `${d.getFullYear()}-${String(d.getMonth() + 1).padStart(2, "0")}-${String(d.getDate()).padStart(2, "0")}`;

/** monthStart is the first day of this month. */
export function monthStart(): string {
  const today = new Date();
  return iso(new Date(today.getFullYear(), today.getMonth(), 1));
}

/** rangeOf reads the span from the query of the address. */
export function rangeOf(q: URLSearchParams, usual = "24h"): Range {
  const from = q.get("from"), to = q.get("to");
  if (from && /^\d{4}-\d\d-\d\d$/.test(from)) return { start_date: from, end_date: to && to >= from ? to : from, tz: zone() };
  const r = q.get("range") ?? usual;
  return { last: (spans as readonly string[]).includes(r) ? r : usual, tz: zone() };
}

export function RangePicker(p: { query: URLSearchParams; usual?: string }) {
  const r = rangeOf(p.query, p.usual);
  const dates = r.start_date !== undefined;
  return (
    <div class="row wrap">
      <Segments label={t("range.label")} value={dates ? "dates" : (r.last ?? "24h")} options={[...spans.map((s): [string, string] => [s, t(`range.${s}`)]), ["dates", t("range.dates")]]}
        onChange={(v) => {
          if (v !== "dates") return setQuery({ range: v, from: "", to: "" }, true);
          setQuery({ range: "", from: monthStart(), to: iso(new Date()) }, true);
        }} />
      {dates && (
        <>
          <input type="date" class="input narrow-date" aria-label={t("range.from")} value={r.start_date} onChange={(e) => setQuery({ from: e.currentTarget.value })} />
          <input type="date" class="input narrow-date" aria-label={t("range.to")} value={r.end_date} onChange={(e) => setQuery({ to: e.currentTarget.value })} />
        </>
      )}
    </div>
  );
}
