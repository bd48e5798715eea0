import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const read = (name: string) => JSON.parse(readFileSync(new URL(`../locales/${name}.json`, import.meta.url), "utf8")) as Record<string, string>;
const own = (all: Record<string, string>) => Object.fromEntries(Object.entries(all).filter(([k]) => k.startsWith("web.")));
const en = own(read("en")), zh = own(read("zh-CN"));
const places = (s: string) => [...s.matchAll(/\{(\w+)\}/g)].map((m) => m[1]).sort();

describe("catalogue", () => {
  it("has the same words in both languages", () => expect(Object.keys(zh).sort()).toEqual(Object.keys(en).sort()));
  it("has the same places in both languages", () => {
    for (const k of Object.keys(en)) expect(places(zh[k] ?? ""), k).toEqual(places(en[k] ?? ""));
  });
  it("has no word that the page does not use", () => {
    const dir = new URL("../src/", import.meta.url);
    const source = readdirSync(dir, { recursive: true }).filter((f) => /\.tsx?$/.test(String(f))).map((f) => readFileSync(new URL(String(f), dir), "utf8")).join("\n");
    const families = new Set([...source.matchAll(/named\("([a-z_]+\.)"|t\(`([a-z_]+\.)\$\{/g)].map((m) => m[1] ?? m[2] ?? ""));
    const unused = Object.keys(en).map((k) => k.slice(4)).filter((k) => !source.includes(`"${k}"`) && !families.has(k.slice(0, k.indexOf(".") + 1)));
    expect(unused).toEqual([]);
  });
});
