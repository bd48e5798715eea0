// A list that comes in pages: the next one is read on demand.
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, get, withQuery } from "../api";
import type { Page } from "../types";

export interface Paged<T> { data: T[] | undefined; error: ApiError | null; more: (() => void) | null; reload: () => void; change: (f: (all: T[]) => T[]) => void }

/** usePaged reads a list; a null path reads nothing. */
export function usePaged<T>(path: string | null, query: Record<string, string | undefined>, limit = 100): Paged<T> {
  const [data, set] = useState<T[] | undefined>();
  const [error, fail] = useState<ApiError | null>(null);
  const [next, setNext] = useState("");
  const [turn, bump] = useState(0);
  const stop = useRef(new AbortController());
  const key = path + JSON.stringify(query);
  const read = (cursor: string) => {
    if (path === null) return;
    const { signal } = stop.current;
    get<Page<T>>(withQuery(path, { ...query, limit, cursor }), undefined, signal).then(
      (p) => { set((old) => (cursor ? [...(old ?? []), ...p.data] : p.data)); setNext(p.next_cursor ?? ""); fail(null); },
      (e: unknown) => { if (!signal.aborted && e instanceof ApiError) fail(e); },
    );
  };
  useEffect(() => {
    stop.current.abort();
    stop.current = new AbortController();
    read("");
    return () => stop.current.abort();
  }, [key, turn]);
  return { data, error, more: next ? () => read(next) : null, reload: () => bump((n) => n + 1), change: (f) => set((old) => old && f(old)) };
}
