import { render } from "preact";
import { App } from "./app";
import { firstLanguage, setLanguage } from "./i18n";
import "./style.css";
import { applyTheme, stored, type Theme } from "./theme";

applyTheme((stored.get("theme") as Theme | null) ?? "auto");
const lang = firstLanguage(stored.get("language"), navigator.languages);
void setLanguage(lang).catch(() => setLanguage("en")).then(() => {
  const root = document.getElementById("app");
  if (root) render(<App />, root);
});
