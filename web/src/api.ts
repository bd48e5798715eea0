// Calls of the gateway with the browser's session. Changes carry the session's token.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { stored } from "./theme";
import type { Session } from "./types";

export class ApiError extends Error {
  constructor(readonly status: number, readonly code: string, message: string, readonly requestId: string) {
    super(message);
  }
}

let csrf = "";
let ended: () => void = () => {};

/** onEnd is told when the session is no longer accepted. */
export const onEnd = (f: () => void): void => void (ended = f);

type Query = Record<string, string | number | boolean | undefined>;

export function withQuery(path: string, query?: Query): string {
  const q = new URLSearchParams();
  for (const [k, v] of Object.entries(query ?? {})) if (v !== undefined && v !== "" && v !== false) q.set(k, String(v));
  const s = q.toString();
  return s ? path + "?" + s : path;
}

/** send makes a request with the session and returns the answer, whatever its status. */
export function send(method: string, path: string, body?: string, signal?: AbortSignal, accept = "application/json"): Promise<Response> {
  const headers: Record<string, string> = { Accept: accept };
  if (method !== "GET") headers["X-CSRF-Token"] = csrf;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  return fetch(path, { method, headers, body, signal, credentials: "same-origin", cache: "no-store", redirect: "error" });
}

/** failure reads a refusal in any of the formats. */
export async function failure(res: Response): Promise<ApiError> {
  const id = res.headers.get("x-request-id") ?? "";
  const text = await res.text().catch(() => "");
  try {
    const e = (JSON.parse(text) as { error?: { message?: string; code?: string | number | null; type?: string } }).error;
    if (e?.message) return new ApiError(res.status, String(e.code ?? e.type ?? ""), e.message, id);
  } catch { /* not ours */ }
  return new ApiError(res.status, "foreign", `HTTP ${res.status}`, id);
}

/** answered reads a good answer. A page in its place comes of a proxy or a sign-in before the gateway. */
async function answered<T>(res: Response): Promise<T> {
  const value = (await res.json().catch(() => null)) as T | null;
  if (typeof value !== "object" || value === null) throw new ApiError(res.status, "foreign", `HTTP ${res.status}`, "");
  return value;
}

export async function call<T>(method: string, path: string, o: { query?: Query; body?: unknown; signal?: AbortSignal } = {}): Promise<T> {
  let res: Response;
  try {
    res = await send(method, withQuery(path, o.query), o.body === undefined ? undefined : JSON.stringify(o.body), o.signal);
  } catch (e) {
    if (e instanceof DOMException && e.name === "AbortError") throw e;
    throw new ApiError(0, "unreachable", "", "");
  }
  if (!res.ok) {
    const e = await failure(res);
    if (res.status === 401) ended();
    throw e;
  }
  if (res.status === 204) return undefined as T;
  return answered<T>(res);
}

export const get = <T>(path: string, query?: Query, signal?: AbortSignal): Promise<T> => call<T>("GET", path, { query, signal });
export const post = <T>(path: string, body?: unknown): Promise<T> => call<T>("POST", path, { body: body ?? {} });
export const patch = <T>(path: string, body: unknown): Promise<T> => call<T>("PATCH", path, { body });
export const remove = <T>(path: string): Promise<T> => call<T>("DELETE", path);

const adopt = (s: Session): Session => {
  csrf = s.csrf_token;
  stored.set("session", "open");
  return s;
};

/** session returns the one that the browser has, or null. A browser that never signed in is not asked for one. */
export async function session(): Promise<Session | null> {
  if (stored.get("session") !== "open") return null;
  const res = await send("GET", "/admin/session").catch(() => null);
  if (!res) throw new ApiError(0, "unreachable", "", "");
  if (res.status === 401) {
    stored.set("session", "");
    return null;
  }
  if (!res.ok) throw await failure(res);
  return adopt(await answered<Session>(res));
}

export async function signIn(key: string): Promise<Session> {
  const res = await send("POST", "/admin/session", JSON.stringify({ key })).catch(() => null);
  if (!res) throw new ApiError(0, "unreachable", "", "");
  if (!res.ok) throw await failure(res);
  return adopt(await answered<Session>(res));
}

export async function signOut(): Promise<void> {
  await call<void>("DELETE", "/admin/session");
  stored.set("session", "");
}

/** may tells whether a session holds a scope, as the gateway counts them. */
export function may(s: Session, scope: string): boolean {
  if (s.admin || s.scopes.includes("admin") || s.scopes.includes(scope)) return true;
  return scope === "viewer" && s.scopes.some((x) => ["keys:write", "providers:write", "config:write", "billing"].includes(x));
}

export interface Loaded<T> {
  data: T | undefined; // the last answer, also while a new one is on its way
  error: ApiError | null;
  loading: boolean;
  reload: () => void;
}

const kept = new Map<string, unknown>(); // last answers, so that a page seen before is there at once

/** useGet reads an address and keeps reading it every `every` ms while the tab is seen. A null path reads nothing. */
export function useGet<T>(path: string | null, every = 0): Loaded<T> {
  const [state, set] = useState<{ path: string | null; data?: T; error: ApiError | null; loading: boolean }>({ path: null, error: null, loading: true });
  const [turn, bump] = useState(0);
  const reload = useCallback(() => bump((n) => n + 1), []);
  const last = useRef<string | null>(null);
  useEffect(() => {
    if (path === null) return;
    const stop = new AbortController();
    const fresh = last.current !== path;
    last.current = path;
    set((s) => ({ path, data: fresh ? (kept.get(path) as T | undefined) ?? s.data : s.data, error: fresh ? null : s.error, loading: true }));
    const read = () =>
      get<T>(path, undefined, stop.signal).then(
        (data) => {
          if (kept.size > 50) kept.clear();
          kept.set(path, data);
          set({ path, data, error: null, loading: false });
        },
        (e: unknown) => {
          if (!stop.signal.aborted && e instanceof ApiError) set((s) => ({ ...s, error: e, loading: false }));
        },
      );
    void read();
    const timer = every > 0 ? setInterval(() => { if (!document.hidden) void read(); }, every) : 0;
    return () => {
      stop.abort();
      clearInterval(timer);
    };
  }, [path, every, turn]);
  return { data: state.data, error: state.error, loading: state.loading, reload };
}

/** forget drops kept answers, as when another signs in. */
export const forget = (): void => kept.clear();
