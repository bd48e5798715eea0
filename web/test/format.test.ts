import { beforeEach, describe, expect, it } from "vitest";
import { ago, count, delta, exactUsd, ms, percent, price, share, size, span, tail, usd } from "../src/format";
import { fill, firstLanguage, named, setLanguage, t } from "../src/i18n";

Object.assign(globalThis, { document: { documentElement: { lang: "" } } });
beforeEach(() => setLanguage("en"));

describe("numbers", () => {
  it.each([[0, "$0.00"], [12.34, "$12.34"], [1234.5, "$1,234.50"], [0.001234, "$0.001234"], [0.0000012345, "$0.000001235"], [0.009999, "$0.009999"], [0.01, "$0.01"], [-3.5, "−$3.50"], [123456, "$123k"], [null, "–"], [undefined, "–"], [NaN, "–"]])("usd(%s) = %s", (v, want) => expect(usd(v)).toBe(want));
  it.each([[0, "0"], [950, "950"], [9999, "9,999"], [12_345, "12.3k"], [4_560_000, "4.56M"], [999_960, "1M"], [1.5e9, "1.5B"], [-12_345, "−12.3k"], [null, "–"]])("count(%s) = %s", (v, want) => expect(count(v)).toBe(want));
  it.each([[0.0712, "0.07 ms"], [9.96, "10 ms"], [840.2, "840 ms"], [999.7, "1.0 s"], [1900, "1.9 s"], [12_400, "12 s"], [125_000, "2m 05s"], [null, "–"]])("ms(%s) = %s", (v, want) => expect(ms(v)).toBe(want));
  it.each([[45, "45s"], [3600 * 3 + 420, "3h 07m"], [86_400 * 4 + 7200, "4d 2h"], [-5, "0s"]])("span(%s) = %s", (v, want) => expect(span(v)).toBe(want));
  it("tells parts", () => {
    expect(share(3, 1000)).toBe("0.3%");
    expect(share(1, 0)).toBe("–");
    expect(percent(42.4)).toBe("42%");
    expect(delta(112, 100)).toBe("+12%");
    expect(delta(97, 100)).toBe("−3%");
    expect(delta(100.1, 100)).toBe("±0%");
    expect(delta(5, 0)).toBeNull();
    expect(delta(5000, 1)).toBe("+>999%");
  });
  it("tells sizes, prices and money to the last digit", () => {
    expect(size(512)).toBe("512 B");
    expect(size(1536)).toBe("1.5 KiB");
    expect(size(3 << 20)).toBe("3 MiB");
    expect(price(2.5)).toBe("$2.50");
    expect(price(0.075)).toBe("$0.075");
    expect(price(0)).toBe("$0");
    expect(exactUsd(0.000000001)).toBe("$0.000000001");
    expect(tail("01KYEXQ8F2A1B2C3D4E5F6G7H8")).toBe("E5F6G7H8");
  });
});

describe("time", () => {
  const now = Date.parse("2026-11-26T12:00:00Z");
  it.each([["2026-11-26T11:59:30Z", "30 sec. ago"], ["2026-11-26T11:55:00Z", "5 min. ago"], ["2026-11-26T15:00:00Z", "in 3 hr."], ["2026-11-20T12:00:00Z", "6 days ago"]])("ago(%s) = %s", (at, want) => expect(ago(at, now)).toBe(want));
  it("speaks the reader's language", async () => {
    await setLanguage("zh-CN");
    expect(ago("2026-11-26T11:55:00Z", now)).toBe("5分钟前");
  });
});

describe("words", () => {
  it("fills places and leaves those it has no value for", () => {
    expect(fill("{a} of {b}", { a: 1 })).toBe("1 of {b}");
    expect(t("tile.errors_of", { n: 3 })).toBe("3 failed");
  });
  it("speaks both languages and falls back", async () => {
    await setLanguage("zh-CN");
    expect(t("nav.overview")).toBe("总览");
    expect(named("state.", "ok")).toBe("正常");
    expect(named("state.", "never-heard-of")).toBe("never-heard-of");
  });
  it("picks the first language", () => {
    expect(firstLanguage(null, ["zh-TW", "en"])).toBe("zh-CN");
    expect(firstLanguage(null, ["de", "en-GB"])).toBe("en");
    expect(firstLanguage(null, ["de"])).toBe("en");
    expect(firstLanguage("zh-CN", ["en"])).toBe("zh-CN");
    expect(firstLanguage("xx", ["zh"])).toBe("zh-CN");
  });
});
