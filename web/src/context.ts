import { createContext } from "preact";
import { useContext } from "preact/hooks";
import { may } from "./api";
import type { Lang } from "./i18n";
import type { Theme } from "./theme";
import type { Session } from "./types";

export interface Shell {
  session: Session;
  lang: Lang;
  theme: Theme;
  choose: (lang: Lang) => void;
  paint: (theme: Theme) => void;
  leave: () => void;
}

export const ShellContext = createContext<Shell | null>(null);

export function useShell(): Shell {
  const s = useContext(ShellContext);
  if (!s) throw new Error("BUG: no shell around the page");
  return s;
}

/** useMay tells whether who is signed in may do what needs the scope. */
export function useMay(scope: string): boolean {
  return may(useShell().session, scope);
}
