// The query of the list of requests: words such as model:gpt-5 status:5xx that
// become chips. The gateway filters; the page filters the live feed the same way.
import type { Row } from "./types";

export const fields = ["key", "model", "provider", "account", "status", "end_reason", "operation", "group", "end_user", "min_duration_ms", "q"] as const;
export type Field = (typeof fields)[number];
export type Filters = Partial<Record<Field, string>>;

const short: Record<string, Field> = { reason: "end_reason", end: "end_reason", p: "provider", m: "model", k: "key", s: "status", a: "account", op: "operation", user: "end_user", slower: "min_duration_ms", text: "q" };

/** parse takes the filters out of what was typed; rest is what is none. */
export function parse(text: string): { filters: Filters; rest: string } {
  const filters: Filters = {};
  const rest: string[] = [];
  for (const word of text.match(/(?:[^\s"]|"[^"]*")+/g) ?? []) {
    const m = /^([a-z_]+)\s*(?::|=)(.+)$/i.exec(word);
    const name = m?.[1]?.toLowerCase() ?? "";
    const field = (fields as readonly string[]).includes(name) ? (name as Field) : short[name];
    const value = m?.[2]?.replace(/^"(.*)"$/, "$1") ?? "";
    if (field === "min_duration_ms" && value) {
      const took = milliseconds(value);
      if (took) filters.min_duration_ms = took;
      else rest.push(word);
    } else if (field && value) filters[field] = value;
    else if (/^[1-5](xx|\d\d)$/.test(word)) filters.status = word;
    else if (/^errors?$/i.test(word)) filters.status = "error";
    else rest.push(word.replace(/^"(.*)"$/, "$1"));
  }
  return { filters, rest: rest.join(" ") };
}

/** milliseconds reads a length of time such as 2s, 1.5s, 300ms or 300. */
function milliseconds(s: string): string | null {
  const m = /^(\d+(?:\.\d+)?)(ms|s|m)?$/.exec(s);
  return m ? String(Math.round(Number(m[1]) * { ms: 1, s: 1000, m: 60_000 }[(m[2] ?? "ms") as "ms" | "s" | "m"])) : null;
}

/** requestId is the id in what was typed: whole, or its last 8 characters. */
export function requestId(text: string): string | null {
  const s = text.trim().toUpperCase();
  return /^([0-9A-HJKMNP-TV-Z]{26}|(?=.*\d)[0-9A-HJKMNP-TV-Z]{8})$/.test(s) ? s : null;
}

/** matches tells whether the gateway would list the row under these filters. */
export function matches(row: Row, f: Filters): boolean {
  if (f.key && row.api_key_id !== f.key) return false;
  if (f.model && row.model !== f.model) return false;
  if ((f.provider || f.account) && ![row, ...row.attempts].some((at) => (!f.provider || at.provider === f.provider) && (!f.account || at.account === f.account))) return false;
  if (f.end_reason && row.end_reason !== f.end_reason) return false;
  if (f.operation && row.operation !== f.operation) return false;
  if (f.group && row.group !== f.group) return false;
  if (f.end_user && row.end_user !== f.end_user) return false;
  if (f.min_duration_ms && row.duration_ms < Number(f.min_duration_ms)) return false;
  if (f.q) {
    const text = f.q.toLowerCase();
    if (![row.error, row.request_id, row.client_request_id, row.model, row.upstream_model, row.api_key_name].some((s) => s?.toLowerCase().includes(text))) return false;
  }
  if (f.status) {
    if (f.status === "error") return row.end_reason === "complete" || row.end_reason === "" ? row.status >= 400 : row.end_reason !== "client_gone";
    if (f.status.endsWith("xx")) return Math.floor(row.status / 100) === Number(f.status[0]);
    return row.status === Number(f.status);
  }
  return true;
}

/** csv writes a table as RFC 4180 has it; what a spreadsheet would run is made text. */
export function csv(head: string[], rows: (string | number)[][]): string {
  const cell = (v: string | number): string => {
    if (typeof v === "number") return String(v);
    const s = /^[=+\-@\t\r]/.test(v) ? "'" + v : v;
    return /[",\r\n]/.test(s) ? '"' + s.replaceAll('"', '""') + '"' : s;
  };
  return [head, ...rows].map((r) => r.map(cell).join(",")).join("\r\n") + "\r\n";
}
