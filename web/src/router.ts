// The address is the state: pages are paths under /admin/, what they show is the query.
import { useEffect, useState } from "preact/hooks";

const base = "/admin/";

export interface Route {
  page: string;
  query: URLSearchParams;
}

/** read splits an address into page and query. */
export function read(path: string, search: string): Route {
  const page = path.startsWith(base) ? path.slice(base.length).replace(/\/+$/, "") : "";
  return { page: page || "overview", query: new URLSearchParams(search) };
}

const heard = new Set<() => void>();
const tell = () => heard.forEach((f) => f());
addEventListener("popstate", tell);

export const current = (): Route => read(location.pathname, location.search);

/** address of a page with a query; empty values are left out. */
export function address(page: string, query?: Record<string, string | undefined>): string {
  const q = new URLSearchParams();
  for (const [k, v] of Object.entries(query ?? {})) if (v) q.set(k, v);
  const s = q.toString();
  return base + page + (s ? "?" + s : "");
}

export function go(to: string): void {
  if (to === location.pathname + location.search) return;
  history.pushState(null, "", to);
  tell();
}

/** setQuery changes some of the query: "" removes. Small changes replace the entry of the history. */
export function setQuery(change: Record<string, string | undefined>, push = false): void {
  const q = new URLSearchParams(location.search);
  for (const [k, v] of Object.entries(change)) if (v) q.set(k, v); else q.delete(k);
  const s = q.toString();
  const to = location.pathname + (s ? "?" + s : "");
  if (to === location.pathname + location.search) return;
  if (push) history.pushState(null, "", to); else history.replaceState(null, "", to);
  tell();
}

export function useRoute(): Route {
  const [route, set] = useState(current);
  useEffect(() => {
    const f = () => set(current());
    heard.add(f);
    return () => void heard.delete(f);
  }, []);
  return route;
}
