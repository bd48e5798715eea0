import { describe, expect, it, vi } from "vitest";
import { LiveFeed, type LiveState, type Surroundings } from "../src/live";
import { eventReader, type SseEvent } from "../src/sse";
import type { LiveEvent } from "../src/types";

/** Waits until it holds; a second, vitest's own bound, is short on a busy machine. */
const soon = (holds: () => void) => vi.waitFor(holds, { timeout: 20_000, interval: 5 });

const text = 'event: started\ndata: {"a":1}\n\n: alive\n\ndata: one\ndata: two\n\ndata:no space\r\n\r\nevent: x\rdata: cr\r\rdata: never ended\n';
const want: SseEvent[] = [{ event: "started", data: '{"a":1}' }, { event: "message", data: "one\ntwo" }, { event: "message", data: "no space" }, { event: "x", data: "cr" }];

describe("eventReader", () => {
  it("reads every end of line, split anywhere", () => {
    for (let size = 1; size <= text.length; size++) {
      const got: SseEvent[] = [];
      const take = eventReader((e) => got.push(e));
      for (let i = 0; i < text.length; i += size) take(text.slice(i, i + size));
      expect(got, `in pieces of ${size}`).toEqual(want);
    }
  });
});

/** A browser of several tabs: locks and channels that they share. */
class Browser {
  opened = 0;
  streams: ReadableStreamDefaultController<Uint8Array>[] = [];
  private holder: Promise<unknown> = Promise.resolve();
  private channels = new Set<{ onmessage: ((e: MessageEvent) => void) | null }>();

  tab(status = 200): { feed: LiveFeed; hide: (h: boolean) => void; waits: number[] } {
    let hidden = false;
    const waits: number[] = [];
    const mine: { onmessage: ((e: MessageEvent) => void) | null; postMessage: (m: unknown) => void; close: () => void } = {
      onmessage: null,
      postMessage: (data) => this.channels.forEach((c) => { if (c !== mine) c.onmessage?.({ data } as MessageEvent); }),
      close: () => {},
    };
    this.channels.add(mine);
    const around: Surroundings = {
      open: async (signal) => {
        this.opened++;
        const body = new ReadableStream<Uint8Array>({
          start: (c) => {
            this.streams.push(c);
            signal.addEventListener("abort", () => { try { c.error(new Error("aborted")); } catch { /* over */ } });
          },
        });
        return new Response(body, { status });
      },
      locks: {
        request: ((_name: string, o: { signal: AbortSignal }, work: () => Promise<void>) => {
          const turn = this.holder.then(() => { if (o.signal.aborted) throw new Error("aborted"); return work(); });
          this.holder = turn.catch(() => {});
          return turn;
        }) as unknown as LockManager["request"],
      },
      channel: mine,
      hidden: () => hidden,
      wait: (ms) => { waits.push(ms); return new Promise((done) => setTimeout(done, 1)); },
    };
    const feed = new LiveFeed(around);
    return { feed, waits, hide: (h) => { hidden = h; feed.look(); } };
  }

  say(event: LiveEvent, stream = this.streams.length - 1): void {
    this.streams[stream]?.enqueue(new TextEncoder().encode(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`));
  }
}

const event = (id: string): LiveEvent => ({ type: "started", time: "", request_id: id });
const hears = (feed: LiveFeed) => {
  const got: string[] = [];
  return { got, end: feed.hear((e) => got.push(e.request_id ?? "")) };
};

describe("LiveFeed", () => {
  it("shares one connection between tabs", async () => {
    const b = new Browser();
    const one = b.tab(), two = b.tab();
    const a = hears(one.feed), c = hears(two.feed);
    await soon(() => expect(b.opened).toBe(1));
    b.say(event("r1"));
    await soon(() => expect([a.got, c.got]).toEqual([["r1"], ["r1"]]));
    expect([b.opened, one.feed.state, two.feed.state]).toEqual([1, "live", "live"]);
  });
  it("lets go when the tab is hidden, and the next tab takes over", async () => {
    const b = new Browser();
    const one = b.tab(), two = b.tab();
    hears(one.feed);
    const c = hears(two.feed);
    await soon(() => expect(b.opened).toBe(1));
    one.hide(true);
    expect(one.feed.state).toBe("off");
    await soon(() => expect(b.opened).toBe(2));
    b.say(event("r2"));
    await soon(() => expect(c.got).toEqual(["r2"]));
    one.hide(false);
    b.say(event("r3"));
    await soon(() => expect(c.got).toEqual(["r2", "r3"]));
    expect(b.opened).toBe(2);
  });
  it("takes a connection that says nothing at all for lost", async () => {
    vi.useFakeTimers({ shouldAdvanceTime: true });
    try {
      const b = new Browser();
      const one = b.tab();
      const states: LiveState[] = [];
      one.feed.watch((s) => states.push(s));
      hears(one.feed);
      await vi.waitFor(() => expect(b.opened).toBe(1));
      await vi.advanceTimersByTimeAsync(30_000);
      b.streams[0]?.enqueue(new TextEncoder().encode(": alive\n\n"));
      await vi.advanceTimersByTimeAsync(30_000);
      expect([b.opened, states.at(-1)]).toEqual([1, "live"]);
      await vi.advanceTimersByTimeAsync(15_000);
      await vi.waitFor(() => expect(b.opened).toBe(2));
      expect(states).toEqual(["off", "connecting", "live", "lost", "live"]);
      await vi.advanceTimersByTimeAsync(30_000); // the alarm of the first connection is off
      expect(b.opened).toBe(2);
    } finally {
      vi.useRealTimers();
    }
  });
  it("opens again after a cut, waiting longer each time that nothing comes", async () => {
    const b = new Browser();
    const one = b.tab();
    const states: LiveState[] = [];
    one.feed.watch((s) => states.push(s));
    const a = hears(one.feed);
    await soon(() => expect(b.opened).toBe(1));
    b.streams[0]?.close();
    await soon(() => expect(b.opened).toBe(2));
    b.say(event("r1"));
    await soon(() => expect(a.got).toEqual(["r1"]));
    expect(states).toEqual(["off", "connecting", "live", "lost", "live"]);
    a.end();
    expect(one.feed.state).toBe("off");
    const bad = new Browser().tab(503);
    const x = hears(bad.feed);
    await soon(() => expect(bad.waits.length).toBeGreaterThan(6));
    x.end();
    expect(bad.waits.slice(0, 7)).toEqual([500, 1000, 2000, 4000, 8000, 15_000, 15_000]);
  });
  it("does not ask again where the session is refused", async () => {
    const b = new Browser();
    const one = b.tab(401);
    hears(one.feed);
    await soon(() => expect(b.opened).toBe(1));
    await new Promise((done) => setTimeout(done, 20));
    expect([b.opened, one.waits.length, one.feed.state]).toEqual([1, 0, "off"]);
  });
});
