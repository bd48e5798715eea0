// The rows that the list of requests holds: what was read from the gateway, and what
// the live feed added on top.
import { matches, type Filters } from "./filters";
import type { LiveEvent, Row } from "./types";

export const mostHeld = 5000; // of live rows; older ones are read again by scrolling

export class Rows {
  finished: Row[] = [];
  running = new Map<string, LiveEvent>();
  missed = 0; // events that the gateway could not hand over in time
  gone = new Map<string, number>(); // other gateways whose feed broke off, with what was in flight there
  private ids = new Set<string>();

  /** read puts a page of older rows at the end. */
  read(page: Row[]): void {
    for (const r of page) {
      if (this.ids.has(r.request_id)) continue;
      this.ids.add(r.request_id);
      this.finished.push(r);
    }
  }

  /** hear takes an event of the live feed and reports whether the list changed. */
  hear(e: LiveEvent, f: Filters): boolean {
    const id = e.request_id ?? "";
    switch (e.type) {
      case "started":
      case "first_token":
        if (this.ids.has(id) || !wanted(e, f)) return false;
        this.running.set(id, { ...this.running.get(id), ...e });
        return true;
      case "finished": {
        const was = this.running.delete(id);
        if (!e.row || this.ids.has(id) || !matches(e.row, f)) return was;
        this.ids.add(id);
        this.finished.unshift(e.row);
        return true;
      }
      case "dropped":
        if (e.node) {
          this.gone.set(e.node, (this.gone.get(e.node) ?? 0) + (e.dropped ?? 0));
          for (const [id, run] of this.running) if (run.node === e.node) this.running.delete(id);
          return true;
        }
        this.missed += e.dropped ?? 0;
        this.running.clear(); // what ended unheard would stay for ever
        return true;
    }
    return false;
  }

  /** trim lets go of the oldest rows and reports whether it did. */
  trim(): boolean {
    if (this.finished.length <= mostHeld) return false;
    for (const r of this.finished.splice(mostHeld)) this.ids.delete(r.request_id);
    return true;
  }
}

/** wanted tells whether a request that runs may come to match: how it ends is not known. */
function wanted(e: LiveEvent, f: Filters): boolean {
  if (f.status || f.end_reason || f.q || f.min_duration_ms || f.group || f.end_user) return false;
  if (f.operation && e.operation !== f.operation) return false;
  return (!f.key || e.api_key_id === f.key) && (!f.model || e.model === f.model) && (!f.provider || e.provider === f.provider) && (!f.account || e.account === f.account);
}
