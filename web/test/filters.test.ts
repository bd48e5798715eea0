import { describe, expect, it } from "vitest";
import { csv, matches, parse, requestId } from "../src/filters";
import { Rows, mostHeld } from "../src/rows";
import type { Attempt, LiveEvent } from "../src/types";
import { row } from "./row";

describe("parse", () => {
  it.each([
    ["model:gpt-5 status:5xx", { model: "gpt-5", status: "5xx" }, ""],
    ["m=gpt-5 reason:client_gone", { model: "gpt-5", end_reason: "client_gone" }, ""],
    ['account:"OpenAI Production"', { account: "OpenAI Production" }, ""],
    ["429", { status: "429" }, ""], ["errors", { status: "error" }, ""],
    ["gpt-5", {}, "gpt-5"], ["http://x:8080", {}, "http://x:8080"], ["model: gpt", {}, "model: gpt"], ["", {}, ""],
  ])("%s", (text, filters, rest) => expect(parse(text)).toEqual({ filters, rest }));
  it("knows a request's id", () => {
    expect(requestId(" 01kyexq8f2a1b2c3d4e5f6g7h8 ")).toBe("01KYEXQ8F2A1B2C3D4E5F6G7H8");
    expect(requestId("E5F6G7H8")).toBe("E5F6G7H8");
    expect(requestId("gpt-5")).toBeNull();
    expect(requestId("whatever")).toBeNull(); // no digit: a word
  });
});

describe("matches", () => {
  it.each([
    [{}, {}, true], [{ status: 503 }, { status: "5xx" }, true], [{ status: 503 }, { status: "4xx" }, false], [{ status: 404 }, { status: "404" }, true],
    [{ account: "b", attempts: [{ provider: "azure", account: "a" }, { provider: "openai", account: "b" }] as Attempt[] }, { account: "a" }, true], [{ account: "b", provider: "openai" }, { account: "a" }, false],
    [{ account: "b", provider: "openai", attempts: [{ provider: "azure", account: "a" }] as Attempt[] }, { account: "a", provider: "openai" }, false],
    [{ model: "a" }, { model: "b" }, false], [{ api_key_id: "k2" }, { key: "k1" }, false], [{ end_reason: "client_gone", status: 200 }, { end_reason: "client_gone" }, true],
    [{ status: 500, end_reason: "error" }, { status: "error" }, true], [{ status: 200, end_reason: "stream_error" }, { status: "error" }, true], [{ status: 499, end_reason: "client_gone" }, { status: "error" }, false],
  ])("%o under %o: %s", (part, filters, want) => expect(matches(row(part), filters)).toBe(want));
});

describe("csv", () => {
  it("quotes, and hands no formula to a spreadsheet", () => {
    expect(csv(["a", "b"], [['x,"y"', 1.5], ["=HYPERLINK(1)", 2], ["@cmd", -3], ["two\nlines", 0]])).toBe('a,b\r\n"x,""y""",1.5\r\n\'=HYPERLINK(1),2\r\n\'@cmd,-3\r\n"two\nlines",0\r\n');
  });
});

describe("rows", () => {
  const event = (type: string, id: string, part: Partial<LiveEvent> = {}): LiveEvent => ({ type, time: "", request_id: id, model: "gpt-5", api_key_id: "k1", ...part });
  it("goes from running to finished, once", () => {
    const r = new Rows();
    expect(r.hear(event("started", "a"), {})).toBe(true);
    expect(r.running.size).toBe(1);
    expect(r.hear(event("finished", "a", { row: row({ request_id: "a" }) }), {})).toBe(true);
    expect([r.running.size, r.finished.length]).toEqual([0, 1]);
    r.hear(event("finished", "a", { row: row({ request_id: "a" }) }), {});
    r.read([row({ request_id: "a" }), row({ request_id: "b" })]);
    expect(r.finished.map((x) => x.request_id)).toEqual(["a", "b"]);
    expect(r.hear(event("started", "a"), {})).toBe(false);
  });
  it("filters as the gateway does", () => {
    const r = new Rows();
    expect(r.hear(event("started", "a"), { model: "other" })).toBe(false);
    expect(r.hear(event("started", "a"), { status: "5xx" })).toBe(false); // how it ends is not known
    expect(r.hear(event("finished", "a", { row: row({ request_id: "a" }) }), { status: "5xx" })).toBe(false);
    expect(r.finished).toEqual([]);
  });
  it("says what was missed and shows nothing as running that may have ended", () => {
    const r = new Rows();
    r.hear(event("started", "a"), {});
    r.hear({ type: "dropped", time: "", dropped: 7 }, {});
    expect([r.missed, r.running.size]).toEqual([7, 0]);
  });
  it("drops of a gateway that is gone what ran there alone", () => {
    const r = new Rows();
    r.hear(event("started", "a", { node: "gw-1" }), {});
    r.hear(event("started", "b", { node: "gw-2" }), {});
    r.hear({ type: "dropped", time: "", dropped: 1, node: "gw-2" }, {});
    expect([r.missed, [...r.running.keys()], r.gone.get("gw-2")]).toEqual([0, ["a"], 1]);
  });
  it("is bounded", () => {
    const r = new Rows();
    for (let i = 0; i < mostHeld + 10; i++) r.hear(event("finished", "r" + i, { row: row({ request_id: "r" + i }) }), {});
    expect(r.trim()).toBe(true);
    expect(r.finished.length).toBe(mostHeld);
    expect(r.finished[0]?.request_id).toBe("r" + (mostHeld + 9));
    expect(r.trim()).toBe(false);
  });
});
