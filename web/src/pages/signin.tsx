import { useState } from "preact/hooks";
import { ApiError, signIn } from "../api";
import { languages, t, type Lang } from "../i18n";
import type { Theme } from "../theme";
import type { Session } from "../types";
import { Form } from "../ui/dialog";
import { Failure, Select, Text } from "../ui/kit";

/** Again asks for the key over what is open, which stays as it was typed. */
export function Again(p: { onIn: (s: Session) => void; onClose: () => void }) {
  const [key, setKey] = useState("");
  return (
    <Form title={t("session.again")} action={t("session.in")} narrow onClose={p.onClose} onSubmit={async () => p.onIn(await signIn(key.trim()))}>
      <p>{t("session.kept")}</p>
      <Text name={t("session.key")} type="password" mono value={key} onInput={setKey} required autofocus placeholder="sk-gw-…" />
    </Form>
  );
}

export function SignIn(p: { lang: Lang; theme: Theme; choose: (l: Lang) => void; paint: (t: Theme) => void; onIn: (s: Session) => void }) {
  const [key, setKey] = useState("");
  const [error, fail] = useState<ApiError | null>(null);
  const [busy, work] = useState(false);
  const submit = async (e: Event) => {
    e.preventDefault();
    if (busy) return;
    work(true);
    fail(null);
    try {
      const s = await signIn(key.trim());
      setKey("");
      p.onIn(s);
    } catch (err) {
      fail(err instanceof ApiError ? err : new ApiError(0, "page", String(err), ""));
      work(false);
    }
  };
  return (
    <main class="door">
      <form onSubmit={(e) => void submit(e)}>
        <h1 class="brand"><img src="/admin/icon.svg" alt="" />ai-gateway</h1>
        <Text name={t("session.key")} type="password" mono value={key} onInput={setKey} required autofocus placeholder="sk-gw-…" hint={t("session.hint")} />
        {error && <Failure error={error} />}
        <button class="btn main-action" type="submit" disabled={busy}>{t("session.in")}</button>
        <div class="foot">
          <Select bare name={t("language.label")} value={p.lang} options={languages.map((l) => [l.id, l.label])} onChange={(v) => p.choose(v as Lang)} />
          <Select bare name={t("theme.label")} value={p.theme} options={[["auto", t("theme.auto")], ["light", t("theme.light")], ["dark", t("theme.dark")]]} onChange={(v) => p.paint(v as Theme)} />
        </div>
      </form>
    </main>
  );
}
