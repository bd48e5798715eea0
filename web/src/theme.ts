export type Theme = "auto" | "light" | "dark";

/** applyTheme colours the page; auto follows the system. */
export function applyTheme(theme: Theme): void {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  themeChanged.forEach((f) => f());
}

const themeChanged = new Set<() => void>();

/** onTheme calls f whenever colours change, and returns what ends that. */
export function onTheme(f: () => void): () => void {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  themeChanged.add(f);
  dark.addEventListener("change", f);
  return () => {
    themeChanged.delete(f);
    dark.removeEventListener("change", f);
  };
}

/** colour reads one of the theme's colours. */
export const colour = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();

/** stored keeps a choice of the reader's between visits; where that is barred it holds for the visit. */
export const stored = {
  get(name: string): string | null {
    try { return localStorage.getItem("ai-gateway." + name); } catch { return null; }
  },
  set(name: string, value: string): void {
    try { localStorage.setItem("ai-gateway." + name, value); } catch { /* private windows refuse */ }
  },
};
