import { describe, expect, it, vi } from "vitest";
import { matches, parse } from "../src/filters";
import { kindOf, resolve } from "../src/pages/api";
import { objectOf } from "../src/pages/audit";
import { chosen, least, speedOf, template } from "../src/pages/columns";
import { namesOf } from "../src/pages/keybulk";
import { shareOf } from "../src/pages/models";
import { changedOf, modelsOf, moreOf, secretsOf } from "../src/pages/provider";
import type { Account } from "../src/types";
import { row } from "./row";

vi.hoisted(() => vi.stubGlobal("addEventListener", () => {})); // the router listens to the window, which there is none of

describe("filters of requests", () => {
  it.each([
    ["slower:2s overloaded", { min_duration_ms: "2000" }, "overloaded"], ["slower:1.5s", { min_duration_ms: "1500" }, ""], ["slower:300", { min_duration_ms: "300" }, ""],
    ["slower:soon", {}, "slower:soon"], ["op:embeddings user:ann", { operation: "embeddings", end_user: "ann" }, ""], ['text:"no such"', { q: "no such" }, ""],
  ])("%s", (text, filters, rest) => expect(parse(text)).toEqual({ filters, rest }));
  it.each([
    [{ error: "Upstream OVERLOADED" }, { q: "overloaded" }, true], [{ api_key_name: "批处理" }, { q: "处理" }, true], [{}, { q: "overloaded" }, false],
    [{ duration_ms: 1999 }, { min_duration_ms: "2000" }, false], [{ duration_ms: 2000 }, { min_duration_ms: "2000" }, true], [{ operation: "images" }, { operation: "chat" }, false], [{ end_user: "ann" }, { end_user: "ann" }, true],
  ])("%o under %o: %s", (part, filters, want) => expect(matches(row(part), filters)).toBe(want));
});

describe("columns", () => {
  const ids = (asked: string | null) => chosen(asked).map((c) => c.id);
  it("are the usual ones unless asked for", () => expect(ids(null)).toEqual(["time", "key", "model", "outcome", "input", "output", "cost", "latency"]));
  it("keep their order, those that a row needs, and none that is unknown", () => expect(ids("latency,error,nonsense")).toEqual(["time", "model", "outcome", "error", "latency"]));
  it("make a grid that is as wide as they are", () => {
    const list = chosen("key");
    expect(template(list)).toBe("76px minmax(96px, 1fr) minmax(150px, 1.7fr) 92px");
    expect(least(list)).toBe(76 + 96 + 150 + 92 + 4 * 12 + 16 + "px");
  });
  it("tell the speed of streams alone", () => {
    expect(speedOf(row({ stream: true, ttft_ms: 500, duration_ms: 2500, completion_tokens: 100 }))).toBe(50);
    expect(speedOf(row({ stream: false, ttft_ms: 500, duration_ms: 2500, completion_tokens: 100 }))).toBeUndefined();
    expect(speedOf(row({ stream: true, ttft_ms: null }))).toBeUndefined();
  });
});

describe("the form of an account", () => {
  const account = { headers: { "X-Team": "blue" }, params: { set: { temperature: 0.2 }, drop: ["seed"] }, timeouts: { dial: "3s" }, prices: { "*": { factor: 0.9 } } } as unknown as Account;
  it("changes nothing that is left alone", () => expect(changedOf(moreOf(account), moreOf(account))).toEqual({}));
  it("tells what was changed, whole", () => {
    expect(changedOf({ ...moreOf(account), headers: "A: b: c\n\n X-Y :z ", rename: ["a=b"], timeouts: { dial: "", idle: "9s" }, prices: "", http2: true }, moreOf(account)))
      .toEqual({ headers: { A: "b: c", "X-Y": "z" }, params: { set: { temperature: 0.2 }, drop: ["seed"], rename: { a: "b" } }, timeouts: { idle: "9s" }, prices: {}, http2: true });
  });
  it.each([{ headers: "nonsense" }, { set: "[1]" }, { set: "{" }, { prices: "7" }, { rename: ["a"] }])("refuses %o", (part) => expect(() => changedOf({ ...moreOf(undefined), ...part }, moreOf(undefined))).toThrow());
  it("reads keys and their weights", () => expect(secretsOf("sk-a 3\nsk-b\n\n sk-c sk-d")).toEqual([{ key: "sk-a", weight: 3 }, { key: "sk-b", weight: 1 }, { key: "sk-c", weight: 1 }, { key: "sk-d", weight: 1 }]));
  it("maps models only where names differ", () => {
    expect(modelsOf(["a", "b"])).toEqual(["a", "b"]);
    expect(modelsOf(["a=x=y", "b"])).toEqual({ a: "x=y", b: "b" });
  });
});

describe("other pages", () => {
  it("names keys and groups", () => expect(namesOf("ann, team\n\n  ci \nDoe, Jane, team\n,x")).toEqual([{ name: "ann", group: "team" }, { name: "ci", group: "" }, { name: "Doe, Jane", group: "team" }]));
  it("parts requests by weight within a priority", () => {
    const targets = [{ model: "a", weight: 3 }, { model: "b" }, { model: "c", weight: 9, priority: 1 }];
    expect(targets.map((x) => shareOf(x, targets))).toEqual([0.75, 0.25, 1]);
  });
  it("calls what was changed by its name", () => {
    const of = (before: unknown, after: unknown) => objectOf({ id: "1", time: "", actor: "a", action: "x", object: "01JD", before, after });
    expect([of(undefined, { alias: "smart" }), of({ name: "old" }, null), of(null, undefined), of({ name: "old" }, { name: "new" })]).toEqual(["smart", "old", "", "new"]);
  });
  it("writes types, and follows references that go round", () => {
    expect(kindOf({ type: "array", items: { $ref: "#/components/schemas/Key" } })).toBe("Key[]");
    expect(kindOf({ type: ["string", "null"] })).toBe("string | null");
    expect(kindOf({ type: "object", additionalProperties: { type: "integer" } })).toBe("{name: integer}");
    const all = { components: { schemas: { A: { $ref: "#/components/schemas/A" }, B: { allOf: [{ $ref: "#/components/schemas/C" }], properties: { own: {} } }, C: { properties: { theirs: {} }, required: ["theirs"] } } } };
    expect(resolve({ $ref: "#/components/schemas/B" }, all)).toMatchObject({ properties: { own: {}, theirs: {} }, required: ["theirs"] });
    expect(resolve({ $ref: "#/components/schemas/A" }, all)).toBeDefined();
  });
});
