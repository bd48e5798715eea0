// The way from a gateway that knows nobody to the first request.
import { useGet } from "../api";
import { useMay } from "../context";
import { t, type Key } from "../i18n";
import { address } from "../router";
import type { Account, ApiKey, Page } from "../types";
import { Card, Link } from "../ui/kit";

interface Step { word: Key; hint: Key; done: boolean; to: string }

/** Setup shows what is left to do; nothing once all is done, or to one who may not do it. */
export function Setup() {
  const providers = useMay("providers:write"), keys = useMay("keys:write");
  const accounts = useGet<Page<Account>>(providers ? "/v1/admin/provider-accounts?limit=200" : null);
  const made = useGet<Page<ApiKey>>(keys ? "/v1/admin/api-keys?limit=500" : null);
  if (!accounts.data || !made.data) return null;
  const real = accounts.data.data.filter((a) => a.provider !== "demo");
  const callers = made.data.data.filter((k) => !k.scopes.includes("admin") && k.status === "active");
  const steps: Step[] = [
    { word: "setup.provider", hint: "setup.provider_hint", done: real.length > 0, to: address("providers", { new: "1" }) },
    { word: "setup.test", hint: "setup.test_hint", done: real.some((a) => a.health?.targets.some((x) => x.good > 0)), to: real[0] ? address("providers", { id: real[0].id }) : address("playground") },
    { word: "setup.key", hint: "setup.key_hint", done: callers.length > 0, to: address("keys", { new: "1" }) },
    { word: "setup.client", hint: "setup.client_hint", done: callers.some((k) => k.last_used_at), to: callers[0] ? address("keys", { id: callers[0].id }) : address("keys") },
  ];
  if (steps.every((s) => s.done)) return null;
  return (
    <Card title={t("setup.title")}>
      <ol class="steps">
        {steps.map((s, i) => (
          <li key={s.word}>
            <span class={"step " + (s.done ? "ok" : "")} aria-hidden="true">{s.done ? "✓" : i + 1}</span>
            <div class="grow"><Link to={s.to} class="strong">{t(s.word)}</Link>{s.done && <span class="hidden-text"> {t("setup.done")}</span>}<div class="small muted">{t(s.hint)}</div></div>
          </li>
        ))}
      </ol>
    </Card>
  );
}
