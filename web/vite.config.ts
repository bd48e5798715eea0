import { defineConfig } from "vitest/config";

// The catalogues in locales/ are shared with the terminal: the page takes its own
// words alone, so that the others can change without a new build of the page.
const ownWords = {
  name: "own-words",
  enforce: "pre" as const,
  transform(code: string, id: string) {
    if (!/\/locales\/[\w-]+\.json$/.test(id)) return;
    const own = Object.entries(JSON.parse(code) as Record<string, string>).filter(([key]) => key.startsWith("web."));
    return { code: JSON.stringify(Object.fromEntries(own.map(([key, text]) => [key.slice(4), text]))), map: null };
  },
};

export default defineConfig({
  base: "/admin/",
  plugins: [ownWords],
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    target: "es2022",
    outDir: "dist",
    emptyOutDir: true,
    assetsInlineLimit: 0, // the content policy allows no data: scripts or styles
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  test: { include: ["test/**/*.test.ts"], environment: "node", testTimeout: 30_000 },
});
