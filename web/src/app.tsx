import type { ComponentType } from "preact";
import { useCallback, useEffect, useState } from "preact/hooks";
import { ApiError, forget, may, onEnd, session as readSession, signOut } from "./api";
import { ShellContext, type Shell } from "./context";
import { inText } from "./format";
import { language, setLanguage, t, type Key, type Lang } from "./i18n";
import { live, type LiveState } from "./live";
import { Overview } from "./pages/overview";
import { Again, SignIn } from "./pages/signin";
import { address, go, useRoute } from "./router";
import { applyTheme, stored, type Theme } from "./theme";
import type { Session } from "./types";
import { attempt, Toasts } from "./ui/dialog";
import { Icon } from "./ui/icon";
import { Button, Empty, Failure, Link, Skeleton } from "./ui/kit";
import { Palette } from "./ui/palette";

/** pages in the order of the rail; those but the first come when they are opened. */
export const pages: { id: string; word: Key; group?: Key; load: () => Promise<ComponentType> }[] = [
  { id: "overview", word: "nav.overview", group: "nav.see", load: async () => Overview },
  { id: "usage", word: "nav.usage", load: async () => (await import("./pages/usage")).Usage },
  { id: "requests", word: "nav.requests", load: async () => (await import("./pages/requests")).Requests },
  { id: "playground", word: "nav.playground", load: async () => (await import("./pages/playground")).Playground },
  { id: "providers", word: "nav.providers", group: "nav.change", load: async () => (await import("./pages/providers")).Providers },
  { id: "models", word: "nav.models", load: async () => (await import("./pages/models")).Models },
  { id: "keys", word: "nav.keys", load: async () => (await import("./pages/keys")).Keys },
  { id: "quotas", word: "nav.quotas", load: async () => (await import("./pages/quotas")).Quotas },
  { id: "audit", word: "nav.audit", group: "nav.gateway", load: async () => (await import("./pages/audit")).Audit },
  { id: "api", word: "nav.api", load: async () => (await import("./pages/api")).Api },
  { id: "settings", word: "nav.settings", load: async () => (await import("./pages/settings")).Settings },
];

export function App() {
  const [who, setWho] = useState<Session | null | undefined>(undefined);
  const [error, fail] = useState<ApiError | null>(null);
  const [lang, setLang] = useState<Lang>(language());
  const [theme, setTheme] = useState<Theme>((stored.get("theme") as Theme | null) ?? "auto");
  const [asks, ask] = useState(false); // for the key once more, over a form
  const out = () => { ask(false); forget(); setWho(null); };
  const look = useCallback(() => {
    fail(null);
    readSession().then(setWho, (e: unknown) => fail(e instanceof ApiError ? e : new ApiError(0, "page", String(e), "")));
  }, []);
  useEffect(() => {
    onEnd(() => {
      if (document.querySelector("dialog[open] form")) ask(true); // what is typed there is not lost
      else out();
    });
    look();
  }, []);
  const choose = (next: Lang) => {
    stored.set("language", next);
    void setLanguage(next).then(() => setLang(next));
  };
  const paint = (next: Theme) => {
    stored.set("theme", next);
    applyTheme(next);
    setTheme(next);
  };
  const leave = () => void attempt(signOut).then(out);

  if (error) return <main class="door"><Failure error={error} retry={look} /></main>;
  if (who === undefined) return <main class="door" aria-busy="true" />;
  if (who === null) return <SignIn lang={lang} theme={theme} choose={choose} paint={paint} onIn={(s) => { forget(); setWho(s); }} />;
  const shell: Shell = { session: who, lang, theme, choose, paint, leave };
  const back = (s: Session) => {
    if (s.name !== who.name) forget(); // another one: nothing of the first is shown to them
    ask(false);
    setWho(s);
  };
  return (
    <ShellContext.Provider value={shell} key={lang + who.name}>
      <Frame shell={shell} /><Toasts />
      {asks && <Again onIn={back} onClose={out} />}
    </ShellContext.Provider>
  );
}

const nextTheme: Record<Theme, Theme> = { auto: "light", light: "dark", dark: "auto" };
export const themeIcon: Record<Theme, string> = { auto: "auto", light: "sun", dark: "moon" };

function Frame({ shell }: { shell: Shell }) {
  const route = useRoute();
  const [slim, setSlim] = useState(stored.get("rail") === "slim");
  const [find, setFind] = useState(false);
  const [state, setState] = useState<LiveState>("off");
  const sees = may(shell.session, "viewer");
  useEffect(() => live().watch(setState), []);
  useEffect(() => {
    const key = (e: KeyboardEvent) => {
      if ((e.ctrlKey || e.metaKey) && e.key.toLowerCase() === "k") {
        e.preventDefault();
        setFind(true);
      } else if (e.key === "/" && !(e.target instanceof HTMLElement && e.target.closest("input, textarea, select, dialog"))) {
        const field = document.querySelector<HTMLInputElement>("[data-filter]");
        if (field) { e.preventDefault(); field.focus(); }
      }
    };
    addEventListener("keydown", key);
    return () => removeEventListener("keydown", key);
  }, []);
  const page = pages.find((p) => p.id === route.page);
  useEffect(() => { document.title = (page ? t(page.word) + " · " : "") + "ai-gateway"; }, [page]);
  // On a phone the rail scrolls sideways: the page that is shown is to be seen in it.
  useEffect(() => document.querySelector(".rail [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" }), [route.page]);
  const stateWord: Record<LiveState, Key> = { off: "live.off", connecting: "live.connecting", live: "live.live", lost: "live.lost" };
  return (
    <div class={"frame" + (slim ? " slim" : "")}>
      <nav class="rail" aria-label={t("nav.label")}>
        <Link to={address("overview")} class="brand" label="ai-gateway"><img src="/admin/icon.svg" alt="" /><span class="word">ai-gateway</span></Link>
        {pages.map((p) => (
          <>
            {p.group && <div class="group" key={p.group}>{t(p.group)}</div>}
            <Link key={p.id} to={address(p.id)} class="item" current={p.id === route.page} title={slim ? t(p.word) : undefined} label={slim ? t(p.word) : undefined}><Icon name={p.id} size={18} /><span class="word">{t(p.word)}</span></Link>
          </>
        ))}
        <div class="end">
          <button type="button" class="item" onClick={() => { stored.set("rail", slim ? "wide" : "slim"); setSlim(!slim); }} aria-label={t(slim ? "nav.widen" : "nav.narrow")}><Icon name={slim ? "right" : "left"} size={18} /><span class="word">{t("nav.narrow")}</span></button>
        </div>
      </nav>
      <div class="main">
        <header class="top">
          <button type="button" class="btn quiet" onClick={() => setFind(true)}><Icon name="search" /><span class="only-wide">{t("palette.open")}</span> <span class="kbd only-wide">Ctrl K</span><span class="hidden-text only-narrow">{t("palette.open")}</span></button>
          <span class="grow" />
          {state !== "off" && <span class={"live-dot " + state} role="status">{t(stateWord[state])}</span>}
          <span class="chip clip" title={shell.session.scopes.join(", ")}>{shell.session.name}{!may(shell.session, "admin") && " · " + inText(t(sees && !shell.session.scopes.some((s) => s.endsWith(":write")) ? "role.viewer" : "role.limited"))}</span>
          <Button kind="quiet" icon={themeIcon[shell.theme]} label={t("theme.change", { theme: t(`theme.${shell.theme}`) })} onClick={() => shell.paint(nextTheme[shell.theme])} />
          <Button kind="quiet" icon="language" label={t("language.change")} onClick={() => shell.choose(shell.lang === "en" ? "zh-CN" : "en")} />
          <Button kind="quiet" icon="out" label={t("session.out")} onClick={shell.leave} />
        </header>
        <main class="page" id="page">
          {!sees ? <Empty text={t("role.none")}><span class="mono small">ai-gateway api-key create NAME --scopes viewer</span></Empty> : page ? <Loaded key={page.id} load={page.load} /> : <Empty text={t("nav.unknown")}><Button onClick={() => go(address("overview"))}>{t("nav.overview")}</Button></Empty>}
        </main>
      </div>
      {find && <Palette onClose={() => setFind(false)} />}
    </div>
  );
}

const loaded = new Map<() => Promise<ComponentType>, ComponentType>();

/** Loaded shows a page once its code is there. */
function Loaded({ load }: { load: () => Promise<ComponentType> }) {
  const [Page, set] = useState<ComponentType | undefined>(() => loaded.get(load));
  const [error, fail] = useState<ApiError | null>(null);
  useEffect(() => {
    if (Page) return;
    let here = true;
    load().then((c) => { loaded.set(load, c); if (here) set(() => c); }, () => fail(new ApiError(0, "page", t("error.page"), "")));
    return () => { here = false; };
  }, [load]);
  if (error) return <Failure error={error} retry={() => location.reload()} />;
  return Page ? <Page /> : <Skeleton tall />;
}
