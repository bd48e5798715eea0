// Numbers, times and names as the page shows them.
import { language } from "./i18n";

const dash = "–";
type Maybe<T> = T | null | undefined;

const formats = new Map<string, Intl.NumberFormat>();
function number(o: Intl.NumberFormatOptions): Intl.NumberFormat {
  const key = language() + JSON.stringify(o);
  let f = formats.get(key);
  if (!f) formats.set(key, (f = new Intl.NumberFormat(language(), o)));
  return f;
}

/** usd: $12.34; under a cent four significant digits, so that no cost reads as nothing. */
export function usd(v: Maybe<number>): string {
  if (v === null || v === undefined || !Number.isFinite(v)) return dash;
  const a = Math.abs(v);
  const sign = v < 0 ? "−" : "";
  if (a === 0) return "$0.00";
  if (a < 0.01) return sign + "$" + number({ maximumSignificantDigits: 4, maximumFractionDigits: 9 }).format(a);
  if (a >= 100_000) return sign + "$" + compact(a);
  return sign + "$" + number({ minimumFractionDigits: 2, maximumFractionDigits: 2 }).format(a);
}

/** exactUsd shows all the nine decimals that money has. */
export const exactUsd = (v: number): string => "$" + number({ minimumFractionDigits: 2, maximumFractionDigits: 9 }).format(v);

const steps: [number, string][] = [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "k"]];

function compact(v: number): string {
  for (const [size, unit] of steps) {
    if (v >= size * 0.9995) {
      const n = v / size;
      return number({ maximumFractionDigits: n < 10 ? 2 : n < 100 ? 1 : 0 }).format(n) + unit;
    }
  }
  return number({ maximumFractionDigits: v < 10 ? 2 : v < 100 ? 1 : 0 }).format(v);
}

/** count: 950, 12.3k, 4.56M. */
export function count(v: Maybe<number>): string {
  if (v === null || v === undefined || !Number.isFinite(v)) return dash;
  return v < 0 ? "−" + compact(-v) : v < 10_000 && Number.isInteger(v) ? number({}).format(v) : compact(v);
}

/** whole: 12,345. */
export const whole = (v: Maybe<number>): string => (v === null || v === undefined ? dash : number({ maximumFractionDigits: 0 }).format(v));

/** ms: 0.8 ms, 840 ms, 1.9 s, 2m 05s. */
export function ms(v: Maybe<number>): string {
  if (v === null || v === undefined || !Number.isFinite(v)) return dash;
  if (v < 10) return number({ maximumFractionDigits: v < 1 ? 2 : 1 }).format(v) + " ms";
  if (v < 999.5) return Math.round(v) + " ms";
  if (v < 59_950) return number({ maximumFractionDigits: v < 9_950 ? 1 : 0, minimumFractionDigits: v < 9_950 ? 1 : 0 }).format(v / 1000) + " s";
  return span(v / 1000);
}

/** span: 45s, 2m 05s, 3h 07m, 4d 2h. */
export function span(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  const two = (n: number) => String(n).padStart(2, "0");
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m ${two(s % 60)}s`;
  if (s < 86_400) return `${Math.floor(s / 3600)}h ${two(Math.floor((s % 3600) / 60))}m`;
  return `${Math.floor(s / 86_400)}d ${Math.floor((s % 86_400) / 3600)}h`;
}

/** share: 0.3 %; the part of a whole, a dash of nothing. */
export function share(part: number, of: number): string {
  return of > 0 ? percent((part / of) * 100) : dash;
}

export function percent(v: Maybe<number>): string {
  if (v === null || v === undefined || !Number.isFinite(v)) return dash;
  const a = Math.abs(v);
  return number({ maximumFractionDigits: a === 0 || a >= 10 ? 0 : a >= 1 ? 1 : 2 }).format(v) + "%";
}

/** delta: +12%, −3%; null where there was nothing before. */
export function delta(now: number, before: Maybe<number>): string | null {
  if (!before) return null;
  const d = ((now - before) / before) * 100;
  if (Math.abs(d) < 0.5) return "±0%";
  return (d > 0 ? "+" : "−") + (Math.abs(d) >= 1000 ? ">999" : Math.round(Math.abs(d))) + "%";
}

export function size(bytes: Maybe<number>): string {
  if (bytes === null || bytes === undefined) return dash;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let n = bytes, u = 0;
  while (n >= 1024 && u < units.length - 1) { n /= 1024; u++; }
  return number({ maximumFractionDigits: n < 10 && u > 0 ? 1 : 0 }).format(n) + " " + units[u];
}

const dates = new Map<string, Intl.DateTimeFormat>();
function date(o: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = language() + JSON.stringify(o);
  let f = dates.get(key);
  if (!f) dates.set(key, (f = new Intl.DateTimeFormat(language(), o)));
  return f;
}

type Moment = string | number | Date;

/** clock: 14:03:07. */
export const clock = (at: Moment): string => date({ hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" }).format(new Date(at));
/** minute: Nov 26, 14:03. */
export const minute = (at: Moment): string => date({ month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(new Date(at));
/** axisTime: 14:00 within a day, Nov 26 at its start. */
export function axisTime(at: number, days: boolean): string {
  const d = new Date(at);
  return days || (d.getHours() === 0 && d.getMinutes() === 0) ? date({ month: "short", day: "numeric" }).format(d) : date({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(d);
}
/** day: Nov 26, 2026. */
export const day = (at: Moment): string => date({ year: "numeric", month: "short", day: "numeric" }).format(new Date(at));
/** exact: the whole moment, with its zone. */
export const exact = (at: Moment): string => date({ dateStyle: "medium", timeStyle: "long" }).format(new Date(at));

/** ago: 5 minutes ago, in 3 days. */
export function ago(at: Maybe<Moment>, now: number = Date.now()): string {
  if (at === null || at === undefined) return dash;
  const s = (new Date(at).getTime() - now) / 1000;
  const rtf = new Intl.RelativeTimeFormat(language(), { numeric: "auto", style: "short" });
  const a = Math.abs(s);
  if (a < 60) return rtf.format(Math.trunc(s), "second");
  if (a < 3600) return rtf.format(Math.trunc(s / 60), "minute");
  if (a < 86_400) return rtf.format(Math.trunc(s / 3600), "hour");
  if (a < 45 * 86_400) return rtf.format(Math.trunc(s / 86_400), "day");
  return day(at);
}

/** price: USD a million tokens: $2.50, $0.075, a dash of nothing. */
export function price(v: Maybe<number>): string {
  if (v === null || v === undefined) return dash;
  return v === 0 ? "$0" : "$" + number({ minimumFractionDigits: 2, maximumFractionDigits: 4 }).format(v);
}

/** inText is a word within a sentence: languages with capitals do not keep them there. */
export const inText = (word: string): string => word.toLocaleLowerCase(language());

/** tail is the short form of a request id. */
export const tail = (id: string): string => id.slice(-8);
