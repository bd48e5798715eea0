import en from "../locales/en.json";

type Own<K> = K extends `web.${infer Rest}` ? Rest : never;
/** A word or sentence of the page: its name in the catalogue without "web.". */
export type Key = Own<keyof typeof en>;
type Words = Record<string, string>;

export type Lang = "en" | "zh-CN";
export const languages: { id: Lang; label: string }[] = [{ id: "en", label: "English" }, { id: "zh-CN", label: "简体中文" }];

let words: Words = en;
let lang: Lang = "en";

/** language returns the one in use, for Intl. */
export const language = (): Lang => lang;

/** firstLanguage is what the reader chose before, else the browser's. */
export function firstLanguage(stored: string | null, browser: readonly string[]): Lang {
  if (stored === "en" || stored === "zh-CN") return stored;
  for (const l of browser) {
    if (/^zh\b/i.test(l)) return "zh-CN";
    if (/^en\b/i.test(l)) return "en";
  }
  return "en";
}

/** useLanguage loads a catalogue and puts it into use. */
export async function setLanguage(next: Lang): Promise<void> {
  words = next === "en" ? en : ((await import("../locales/zh-CN.json")).default as Words);
  lang = next;
  document.documentElement.lang = next;
}

/** fill puts values into a text's {places}. */
export function fill(text: string, values?: Record<string, string | number>): string {
  return values ? text.replace(/\{(\w+)\}/g, (place, name: string) => (name in values ? String(values[name]) : place)) : text;
}

/** t returns the text of a key in the language in use. */
export function t(key: Key, values?: Record<string, string | number>): string {
  return fill(words[key] ?? (en as Words)[key] ?? key, values);
}

/** named returns the text of a family's member ("state." + "ok"), or other where there is none. */
export function named(family: string, member: string, other = member): string {
  return words[family + member] ?? other;
}
