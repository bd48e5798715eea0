// The live feed. All tabs share one connection, since browsers allow six an origin:
// the tab that holds the lock reads and hands on what it hears. A tab that is not
// seen lets go.
import { readEvents } from "./sse";
import { send } from "./api";
import type { LiveEvent } from "./types";

export type LiveState = "off" | "connecting" | "live" | "lost";

type Said = { event: LiveEvent } | { state: LiveState };
type Locks = Pick<LockManager, "request">;

/** Surroundings are what the feed needs of the browser; tests give their own. */
export interface Surroundings {
  open: (signal: AbortSignal) => Promise<Response>;
  locks: Locks | undefined;
  channel: Pick<BroadcastChannel, "postMessage" | "close"> & { onmessage: ((e: MessageEvent<Said>) => void) | null } | undefined;
  hidden: () => boolean;
  wait: (ms: number, signal: AbortSignal) => Promise<void>;
}

const firstWait = 500;
const longestWait = 15_000;
/** silence is how long the feed may say nothing: a gateway with nothing to tell sends a comment every 15 s, one that hangs does not. */
const silence = 40_000;

export class LiveFeed {
  private hearers = new Set<(e: LiveEvent) => void>();
  private watchers = new Set<(s: LiveState) => void>();
  private stop: AbortController | null = null;
  private leads = false;
  state: LiveState = "off";

  constructor(private around: Surroundings) {
    if (around.channel) around.channel.onmessage = (m) => { if (!this.leads) this.take(m.data); };
  }

  /** hear calls f for each event until the returned function is called. */
  hear(f: (e: LiveEvent) => void): () => void {
    this.hearers.add(f);
    this.look();
    return () => {
      this.hearers.delete(f);
      this.look();
    };
  }

  /** watch calls f with each state of the connection. */
  watch(f: (s: LiveState) => void): () => void {
    this.watchers.add(f);
    f(this.state);
    return () => void this.watchers.delete(f);
  }

  /** look connects or lets go, as hearers and the tab's visibility ask for. */
  look(): void {
    const wanted = this.hearers.size > 0 && !this.around.hidden();
    if (wanted && !this.stop) {
      const stop = (this.stop = new AbortController());
      this.take({ state: "connecting" });
      void this.queue(stop.signal);
    } else if (!wanted && this.stop) {
      this.stop.abort();
      this.stop = null;
      this.leads = false;
      this.take({ state: "off" });
    }
  }

  private async queue(signal: AbortSignal): Promise<void> {
    const lead = async () => {
      if (signal.aborted) return;
      this.leads = true;
      await this.read(signal);
    };
    if (!this.around.locks) return lead();
    try {
      await this.around.locks.request("ai-gateway.live", { signal }, lead);
    } catch { /* let go while waiting */ }
  }

  private async read(signal: AbortSignal): Promise<void> {
    let pause = firstWait;
    while (!signal.aborted) {
      const cut = new AbortController();
      const stop = () => cut.abort();
      signal.addEventListener("abort", stop, { once: true });
      let alarm = setTimeout(stop, silence);
      try {
        const res = await this.around.open(cut.signal);
        if (res.status === 401 || res.status === 403) return this.say({ state: "off" });
        if (res.ok && res.body) {
          pause = firstWait;
          this.say({ state: "live" });
          await readEvents(res.body, (e) => {
            if (signal.aborted) return;
            this.say({ state: "live" });
            this.say({ event: JSON.parse(e.data) as LiveEvent });
          }, () => { clearTimeout(alarm); alarm = setTimeout(stop, silence); });
        }
      } catch { /* cut, or let go: the loop tells which */ } finally {
        clearTimeout(alarm);
        signal.removeEventListener("abort", stop);
      }
      if (signal.aborted) return;
      this.say({ state: "lost" });
      await this.around.wait(pause, signal).catch(() => {});
      pause = Math.min(pause * 2, longestWait);
    }
  }

  private say(said: Said): void {
    if ("event" in said || said.state !== this.state) this.around.channel?.postMessage(said);
    this.take(said);
  }

  private take(said: Said): void {
    if ("event" in said) {
      if (this.state !== "live" && this.stop) this.take({ state: "live" });
      this.hearers.forEach((f) => f(said.event));
    } else if (said.state !== this.state) {
      this.state = said.state;
      this.watchers.forEach((f) => f(said.state));
    }
  }
}

const sleep = (ms: number, signal: AbortSignal) =>
  new Promise<void>((done, failed) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      failed(new Error("aborted"));
    }, { once: true });
  });

let feed: LiveFeed | null = null;

/** live is the page's feed. */
export function live(): LiveFeed {
  if (!feed) {
    feed = new LiveFeed({
      open: (signal) => send("GET", "/v1/admin/requests/live", undefined, signal, "text/event-stream"),
      locks: navigator.locks, // of secure contexts; elsewhere each tab has its own connection
      channel: navigator.locks && typeof BroadcastChannel !== "undefined" ? new BroadcastChannel("ai-gateway.live") : undefined,
      hidden: () => document.hidden,
      wait: sleep,
    });
    document.addEventListener("visibilitychange", () => feed?.look());
  }
  return feed;
}
