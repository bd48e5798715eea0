// Drives the admin page of a running gateway in Chromium, as its users would, and
// fails on the first thing that is not as it should be. TestAdminPage runs it.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const { BASE: base, ADMIN_KEY: adminKey, VIEWER_KEY: viewerKey, UPSTREAM: upstream, CHROMIUM: executablePath, SHOTS: shots, HOSTILE: hostile } = process.env;
const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const pages = ["overview", "usage", "requests", "playground", "providers", "models", "models?tab=aliases", "models?tab=explain&model=demo", "keys", "quotas", "audit", "api?id=createKey", "settings"];
const barriers = []; // what axe found
const seen = { foreign: [], console: [], dialogs: [], requests: 0, axe: 0, views: 0 };
let expected = []; // patterns of console errors that the step makes on purpose

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
const context = await browser.newContext({ viewport: { width: 1360, height: 860 }, locale: "en-US", colorScheme: "light", acceptDownloads: true, permissions: ["clipboard-read", "clipboard-write"] });
context.setDefaultTimeout(10_000);
const page = await context.newPage();
page.on("request", (r) => {
  seen.requests++;
  if (!r.url().startsWith(base) && !r.url().startsWith("data:") && !r.url().startsWith("blob:" + base)) seen.foreign.push(r.url());
});
page.on("console", (m) => { if (["error", "warning"].includes(m.type()) && !expected.some((x) => x.test(m.text()))) seen.console.push(`${page.url()}: ${m.text()}`); });
page.on("pageerror", (e) => seen.console.push(`${page.url()}: ${e.stack}`));
page.on("dialog", (d) => { seen.dialogs.push(d.message()); void d.dismiss(); });

const started = Date.now();
async function step(name, work) {
  try {
    await work();
    assert.deepEqual(barriers, [], "axe");
  } catch (e) {
    await page.screenshot({ path: (shots || "/tmp") + "/failed.png" }).catch(() => {});
    console.log(`FAILED ${name} at ${page.url()}: ${e.stack}`);
    console.log(JSON.stringify(seen, null, 1));
    await browser.close();
    process.exit(1);
  }
  console.log(`ok ${((Date.now() - started) / 1000).toFixed(1)}s ${name}`);
}

const open = async (path) => {
  await page.goto(`${base}/admin/${path}`);
  await page.locator(".page h1").waitFor();
  await settled();
};
/** settled waits until nothing on the page is still being loaded. */
const settled = () => page.waitForFunction(() => !document.querySelector("[aria-busy=true]"));
const button = (name, within = page) => within.getByRole("button", { name, exact: true });
const dialog = () => page.locator("dialog[open]").last();
const gone = () => page.waitForFunction(() => !document.querySelector("dialog[open]"));

async function signIn(key) {
  await page.goto(base + "/admin/");
  await page.getByLabel("API key").fill(key);
  await button("Sign in").click();
  await page.locator(".frame").waitFor();
}

/** axe checks the page for what bars people from it. */
async function axe(where, rules) {
  await page.evaluate(axeSource);
  const found = await page.evaluate(async (runOnly) => {
    const r = await window.axe.run(document, { resultTypes: ["violations"], ...(runOnly ? { runOnly } : {}) });
    return r.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html.slice(0, 160) + " " + (n.any[0]?.message ?? n.failureSummary ?? "")).slice(0, 3).join(" | ")}`);
  }, rules);
  for (const f of found) barriers.push(`${where}: ${f}`);
  seen.axe++;
}

const chat = async (key, body = {}) => fetch(base + "/v1/chat/completions", { method: "POST", headers: { authorization: "Bearer " + key, "content-type": "application/json" }, body: JSON.stringify({ model: "demo", messages: [{ role: "user", content: "hi" }], ...body }) });

await step("a wrong key is refused and told", async () => {
  expected = [/401/];
  await page.goto(base + "/admin/");
  await axe("sign-in");
  await page.getByLabel("API key").fill("sk-gw-wrong");
  await button("Sign in").click();
  await page.getByRole("alert").filter({ hasText: "not valid" }).waitFor();
  expected = [];
});

await step("sign in", () => signIn(adminKey));

// A phone is where what does not fit shows. Pictures are taken of both themes and languages at the desk.
const looks = [["light", "en", 1360], ["dark", "zh-CN", 390], ...(shots ? [["dark", "en", 1360], ["light", "zh-CN", 1360]] : [])];
for (const [theme, lang, width] of looks) {
  await step(`every page, ${theme}, ${lang}, ${width} px: it fits, and bars no one`, async () => {
    await page.setViewportSize({ width, height: 860 });
    await page.evaluate(([t, l]) => { localStorage.setItem("ai-gateway.theme", t); localStorage.setItem("ai-gateway.language", l); }, [theme, lang]);
    for (const p of pages) {
      await open(p);
      if (p === "overview") await page.locator(".u-wrap").first().waitFor();
      assert.deepEqual(await page.getByRole("alert").allTextContents(), [], p);
      assert.equal(await page.evaluate(() => document.documentElement.lang), lang);
      const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(over <= 0, `${p} is ${over} px too wide`);
      if (shots) await page.screenshot({ path: `${shots}/${theme}-${lang}-${width}-${p.replace(/\W+/g, "-")}.png` });
      if (width < 1000) await axe(p, ["color-contrast", "scrollable-region-focusable", "target-size"]); // what theme and width change
      else if (theme === "light") await axe(p);
      seen.views++;
    }
  });
}
await page.setViewportSize({ width: 1360, height: 860 });
await page.evaluate(() => { localStorage.setItem("ai-gateway.theme", "light"); localStorage.setItem("ai-gateway.language", "en"); });

await step("navigation by the rail keeps the page, the palette finds", async () => {
  await open("overview");
  await page.evaluate(() => { window.kept = true; });
  for (const name of ["Usage", "Requests", "Providers", "Keys", "Quotas", "Audit", "Settings", "Overview"]) {
    await page.getByRole("navigation").getByRole("link", { name, exact: true }).click();
    await page.getByRole("heading", { level: 1, name }).waitFor();
  }
  await page.keyboard.press("Control+k");
  await page.keyboard.type("quotas");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "Quotas" }).waitFor();
  await page.goBack();
  await page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
  // Even a key of the same frame is the palette's.
  assert.equal(await page.evaluate(async () => {
    dispatchEvent(new KeyboardEvent("keydown", { key: "k", ctrlKey: true }));
    await Promise.resolve();
    return document.activeElement?.matches(".palette[open] input");
  }), true, "the palette does not hold the focus at once");
  await page.keyboard.press("Escape");
  await gone();
  assert.equal(await page.evaluate(() => window.kept), true, "the page was loaded anew");
});

await step("overview counts", async () => {
  await open("overview?range=1h");
  const text = await page.locator(".tile").first().locator(".value").textContent();
  assert.ok(Number(text?.replace(/\D/g, "")) > 0, `requests: ${text}`);
});

await step("live follow moves, holds still under the eye, and filters", async () => {
  await open("requests");
  const first = () => page.locator(".vrow:not(.running)").first();
  await first().waitFor();
  const ids = async () => page.locator(".vrow").evaluateAll((all) => all.map((x) => x.textContent));
  const before = await ids();
  const shown = async () => Number((await page.locator(".page > p[role=status]").textContent())?.replace(/\D/g, ""));
  const n = await shown();
  await page.waitForFunction((k) => Number(document.querySelector(".page > p[role=status]")?.textContent?.replace(/\D/g, "")) >= k + 3, n);
  assert.notDeepEqual(await ids(), before);
  assert.equal(await page.locator(".live-dot.live").count(), 1);
  await page.locator(".vlist").evaluate((el) => { el.scrollTop = 300; });
  await button(/ new$/).waitFor();
  const still = await page.locator(".vlist").evaluate((el) => el.scrollTop);
  assert.equal(still, 300);
  await button(/ new$/).click();
  await button(/ new$/).waitFor({ state: "detached" });
  assert.ok((await page.locator(".vrow").count()) < 80, "the list is not virtual");
  await page.keyboard.press("/");
  await page.keyboard.type("status:404");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => { const all = [...document.querySelectorAll(".vrow .state")]; return all.length > 0 && all.every((x) => x.textContent?.includes("404")); });
  assert.match(page.url(), /status=404/);
});

await step("a request tells all, by keyboard alone", async () => {
  await open("requests?follow=0&model=priced");
  await page.locator(".vrow").first().focus();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  const d = dialog();
  await d.getByRole("heading", { name: "Decision trace" }).waitFor();
  for (const part of ["Attempts", "Why this cost", "$10", "answered HTTP 200"]) assert.ok((await d.textContent())?.includes(part), part);
  await axe("request");
  await button("Copy as curl", d).click();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  assert.match(copied, /^curl -sN 'http:.*\/v1\/chat\/completions'/);
  await page.keyboard.press("Escape");
  await gone();
});

await step("kept bodies are shown inert, and replayed", async () => {
  await open("keys");
  const id = await page.evaluate(async () => (await (await fetch("/v1/admin/api-keys?limit=500")).json()).data.find((k) => k.log_bodies === "all").id);
  await open("requests?follow=0&status=200&key=" + id);
  await page.locator(".vrow").nth(8).click(); // what is newer may not be kept yet
  await button("Show bodies", dialog()).click();
  await dialog().getByText("<script>alert(", { exact: false }).first().waitFor();
  await button("Replay", dialog()).click();
  await page.getByRole("heading", { level: 1, name: "Playground" }).waitFor();
  await page.waitForFunction(() => document.querySelector("textarea")?.value.includes("<script>alert("));
  await button("Send").click();
  await page.locator(".answer").first().getByText("<script>alert(", { exact: false }).first().waitFor();
});

await step("playground: two models side by side, in each format", async () => {
  for (const format of ["chat", "responses", "messages", "gemini"]) {
    await open(`playground?models=${format === "chat" ? "demo" : "smart"},priced&format=${format}`);
    await page.getByPlaceholder("Ask something").fill("Say a few words");
    await page.keyboard.press("Enter");
    for (const i of [0, 1]) {
      const stats = page.locator(".column").nth(i).locator(".stats");
      await stats.getByText("$").waitFor();
      const text = await stats.textContent();
      assert.match(text ?? "", /TTFT.*tok\/s/);
    }
    assert.equal(await page.locator(".answer .note.bad").count(), 0);
  }
  await page.getByText("As curl").click();
  await page.getByText(":streamGenerateContent?alt=sse").waitFor();
});

await step("usage: compare, why, CSV", async () => {
  await open("usage?range=24h&compare=1");
  await page.getByRole("row", { name: /^priced/ }).getByRole("button").click();
  await dialog().getByText("Recorded").waitFor();
  await page.keyboard.press("Escape");
  await gone();
  const [file] = await Promise.all([page.waitForEvent("download"), button("CSV").click()]);
  const text = readFileSync(await file.path(), "utf8");
  assert.match(text, /^model,requests,errors,.*\r\n/);
  assert.match(text, /\r\npriced,\d+,/);
});

let secret = "";
await step("keys: create, use, edit, rotate, pause, resume, revoke, delete", async () => {
  const name = "e2e " + hostile;
  await open("keys");
  await button("Create key").click();
  await dialog().getByLabel("Name").fill(name);
  await dialog().getByLabel("Models").fill("demo,");
  await axe("key form");
  await dialog().locator("button[type=submit]").click();
  secret = (await page.locator("[data-secret]").textContent()) ?? "";
  assert.match(secret, /^sk-gw-/);
  assert.equal((await chat(secret)).status, 200);
  await button("I have copied it").click();
  await page.getByRole("row", { name }).click();
  await button("Edit", dialog()).click();
  await dialog().getByLabel("Group").fill("made-here");
  await button("Save", dialog()).click();
  await dialog().locator("dd", { hasText: "made-here" }).waitFor();
  await axe("key drawer");
  await button("Rotate", dialog()).click();
  await dialog().getByLabel("The old secret works for").selectOption("");
  await dialog().locator("button[type=submit]").click();
  const second = (await page.locator("[data-secret]").textContent()) ?? "";
  assert.notEqual(second, secret);
  assert.equal((await chat(secret)).status, 401);
  assert.equal((await chat(second)).status, 200);
  await button("I have copied it").click();
  await button("Pause", dialog()).click();
  await button("Resume", dialog()).waitFor();
  await dialog().locator("dt", { hasText: "Paused" }).waitFor();
  assert.equal((await chat(second)).status, 403);
  await axe("paused key");
  await button("Resume", dialog()).click();
  await button("Pause", dialog()).waitFor();
  assert.equal((await chat(second)).status, 200);
  await button("Revoke", dialog()).click();
  assert.equal(await dialog().locator("button[type=submit]").isDisabled(), true);
  await dialog().getByLabel(/^Type/).fill(name);
  await dialog().locator("button[type=submit]").click();
  await button("Delete", dialog()).waitFor();
  assert.equal((await chat(second)).status, 401);
  await button("Delete", dialog()).click();
  await dialog().locator("button[type=submit]").click();
  await gone();
  await page.getByRole("row", { name }).waitFor({ state: "detached" });
  assert.ok(!(await page.content()).includes(secret) && !(await page.content()).includes(second), "a secret is left on the page");
});

await step("keys: several at once, ticked, grouped, paused, revoked", async () => {
  await open("keys");
  await button("Create several").click();
  await dialog().getByLabel("Names").fill("bulk one, e2e-team\nbulk two\n");
  await axe("several keys");
  await button("Create 2 keys", dialog()).click();
  await dialog().getByText("2 keys were made").waitFor();
  const secrets = [...((await dialog().locator("pre").textContent()) ?? "").matchAll(/sk-gw-\w+/g)].map((m) => m[0]);
  assert.equal(secrets.length, 2);
  assert.equal((await chat(secrets[0])).status, 200);
  await button("I have copied it", dialog()).click();
  assert.ok(!(await page.content()).includes(secrets[0]), "a secret is left on the page");
  for (const name of ["bulk one", "bulk two"]) await page.getByLabel("Choose " + name).check();
  await page.getByText("2 chosen").waitFor();
  await button("Set group").click();
  await dialog().getByLabel("Group").fill("both");
  await button("Save", dialog()).click();
  await gone();
  await page.getByRole("row", { name: /bulk one.*both/ }).waitFor();
  for (const name of ["bulk one", "bulk two"]) await page.getByLabel("Choose " + name).check();
  const [file] = await Promise.all([page.waitForEvent("download"), button("CSV").click()]);
  assert.match(readFileSync(await file.path(), "utf8"), /bulk one,sk-gw-\w+,active,both/);
  await button("Pause the chosen").click();
  await page.getByRole("row", { name: /bulk two.*paused/ }).waitFor();
  assert.equal((await chat(secrets[0])).status, 403);
  await page.getByLabel("State").selectOption("paused");
  await page.getByRole("row", { name: /bulk one.*paused/ }).waitFor();
  for (const name of ["bulk one", "bulk two"]) await page.getByLabel("Choose " + name).check();
  await button("Resume the chosen").click();
  await page.getByRole("row", { name: /bulk one/ }).waitFor({ state: "detached" });
  assert.equal((await chat(secrets[0])).status, 200);
  await page.getByLabel("State").selectOption("");
  for (const name of ["bulk one", "bulk two"]) await page.getByLabel("Choose " + name).check();
  await button("Revoke the chosen").click();
  await dialog().getByLabel(/^Type/).fill("2");
  await dialog().locator("button[type=submit]").click();
  await gone();
  assert.equal((await chat(secrets[0])).status, 401);
  assert.equal((await chat(secrets[1])).status, 401);
});

await step("requests: a text is looked for, columns are chosen", async () => {
  await open("requests?follow=0");
  await page.getByLabel(/^Text, model/).fill("no-such");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => { const all = [...document.querySelectorAll(".vrow")]; return all.length > 0 && all.every((x) => x.textContent?.includes("no-such-model")); });
  assert.match(page.url(), /q=no-such/);
  await page.getByText("Columns").click();
  await page.getByLabel("Account", { exact: true }).check();
  await page.getByLabel("Error", { exact: true }).check();
  await page.getByLabel("Cost", { exact: true }).uncheck();
  await axe("columns");
  await page.keyboard.press("Escape");
  const heads = () => page.locator(".vhead > span").allTextContents();
  assert.deepEqual(await heads(), ["Time", "Key", "Model", "Account", "Result", "Error", "Input", "Output", "Latency"]);
  await page.locator(".vrow").first().getByText("no-such-model").first().waitFor();
  await open("requests?follow=0");
  assert.ok((await heads()).includes("Account"), "the choice is forgotten");
  await open("requests?follow=0&cols=time,key,model,outcome,input,output,cost,latency");
  assert.ok(!(await heads()).includes("Account"), "the address does not say which columns");
  await page.evaluate(() => localStorage.removeItem("ai-gateway.columns"));
});

await step("providers: add, test, edit, switch off, delete", async () => {
  await open("providers");
  await button("Add provider").click();
  await dialog().getByLabel("Which provider?").fill("openai");
  await dialog().locator(".pick").filter({ hasText: /^OpenAI[a-z]/ }).first().click();
  await dialog().getByLabel("Name", { exact: true }).fill("e2e-account");
  await dialog().getByLabel("Base URL").fill(upstream);
  await dialog().getByLabel("Provider keys, one a line").fill("sk-e2e-secret-of-upstream");
  await dialog().getByLabel("Models").fill("e2e-model=demo,");
  await dialog().getByText("More settings").click();
  await dialog().getByLabel("Headers sent upstream").fill("HTTP-Referer: e2e\nX-Team: blue");
  await dialog().getByLabel("Set", { exact: true }).fill('{"temperature": 0.25}');
  await dialog().getByLabel("Drop").fill("logit_bias,");
  await dialog().getByLabel("Rename").fill("seed=random_seed,");
  await dialog().getByLabel("Connect").fill("1500ms");
  await axe("provider form");
  await dialog().locator("button[type=submit]").click();
  const drawer = dialog();
  await drawer.getByText("Key pool").waitFor();
  for (const part of ["HTTP-Referer", "blue", '"temperature":0.25', '"drop":["logit_bias"]', '"rename":{"seed":"random_seed"}', "1.5s"]) assert.ok((await drawer.textContent())?.includes(part), part);
  await drawer.getByRole("button", { name: "Test e2e-account with one token" }).click();
  await drawer.getByText("✓").waitFor();
  await button("Edit", drawer).click();
  await dialog().getByText("More settings").click();
  await dialog().getByLabel("Weight", { exact: true }).fill("7");
  await dialog().getByLabel("Headers sent upstream").fill("X-Team: blue");
  await dialog().getByLabel("Set", { exact: true }).fill("{nonsense");
  await button("Save", dialog()).click();
  await dialog().getByText("not a JSON object").waitFor();
  await dialog().getByLabel("Set", { exact: true }).fill("");
  await button("Save", dialog()).click();
  await page.locator("dialog[open]").getByText("weight 7").waitFor();
  for (const part of ["HTTP-Referer", "temperature"]) assert.ok(!(await drawer.textContent())?.includes(part), part + " is still there");
  assert.ok(!(await page.content()).includes("sk-e2e-secret-of-upstream"), "the provider's key is shown");
  await page.keyboard.press("Escape");
  await gone();
  await page.getByRole("switch", { name: "e2e-account enabled" }).click();
  await page.locator(".card", { hasText: "e2e-account" }).getByText("disabled").waitFor();
  await button("e2e-account").click();
  await dialog().getByRole("button", { name: "Delete e2e-account" }).click();
  await dialog().getByLabel(/^Type/).fill("e2e-account");
  await dialog().locator("button[type=submit]").click();
  await gone();
  await button("e2e-account").waitFor({ state: "detached" });
});

await step("aliases: create, explain, edit, delete", async () => {
  await open("models?tab=aliases");
  await button("Add alias").first().click();
  await dialog().getByLabel("Alias").fill("e2e-alias");
  await dialog().getByRole("combobox", { name: "Model" }).fill("demo");
  await axe("alias form");
  await dialog().locator("button[type=submit]").click();
  await gone();
  const card = page.locator(".card", { hasText: "e2e-alias" });
  await button("Explain", card).click();
  await page.getByText("Goes to demo, model demo").waitFor();
  await page.goBack();
  await button("Edit e2e-alias").click();
  await dialog().getByLabel("Choice among equals").selectOption("latency");
  await button("Save", dialog()).click();
  await card.getByText("fastest").waitFor();
  await button("Delete e2e-alias").click();
  await dialog().locator("button[type=submit]").click();
  await card.waitFor({ state: "detached" });
});

await step("quotas: create, edit, delete", async () => {
  await open("quotas");
  await button("Create policy").first().click();
  await dialog().getByLabel("Name").fill("e2e policy");
  await dialog().getByLabel("Limit", { exact: true }).fill("12.5");
  await axe("policy form");
  await dialog().locator("button[type=submit]").click();
  await gone();
  const card = page.locator(".card", { hasText: "e2e policy" });
  await card.getByText("$12.50").first().waitFor();
  await button("Edit e2e policy").click();
  await dialog().getByLabel("Limit", { exact: true }).fill("25");
  await button("Save", dialog()).click();
  await card.getByText("$25.00").first().waitFor();
  await button("Delete e2e policy").click();
  await dialog().locator("button[type=submit]").click();
  await card.waitFor({ state: "detached" });
});

await step("audit tells of it; settings prove the ledger", async () => {
  await open("audit");
  for (const what of ["policy.delete", "mapping.create", "account.update", "api_key.rotate"]) assert.ok(await page.getByRole("button", { name: what }).count(), what);
  await page.getByRole("row", { name: /policy\.update/ }).first().getByRole("button", { name: "Change" }).click();
  await page.getByText("Before").waitFor();
  await open("settings");
  const [tar] = await Promise.all([page.waitForEvent("download"), button("Back up").click()]);
  assert.match(readFileSync(await tar.path()).subarray(0, 100).toString(), /^[\w./-]+/);
  await button("Prove the ledger").click();
  await page.getByText("roll-ups agree").waitFor();
});

await step("the API is described: a call with its members and command", async () => {
  await open("api");
  await page.getByLabel("Find a call").fill("api-keys");
  await page.getByRole("button", { name: /^POST \/v1\/admin\/api-keys(?!\/)/ }).click();
  await page.getByText("Request body").waitFor();
  await page.getByText(/curl -s -X POST 'http:.*api-keys'/).waitFor();
  assert.match(page.url(), /q=api-keys&id=createKey/);
});

await step("hostile names are inert", async () => {
  await open("keys");
  await page.getByText(hostile, { exact: false }).first().waitFor();
  await open("usage?by=key&range=1h");
  await page.getByText(hostile, { exact: false }).first().waitFor();
  assert.equal(await page.locator("img:not(.brand img), script:not([src])").count(), 0);
  assert.deepEqual(seen.dialogs, []);
});

await step("without its token, or from elsewhere, the session changes nothing", async () => {
  const key = { name: "forged" };
  const url = base + "/v1/admin/api-keys";
  const ask = async (headers) => { const r = await context.request.post(url, { data: key, headers }); return [r.status(), (await r.json()).error?.code]; };
  assert.deepEqual(await ask({}), [403, "csrf"]);
  const { csrf_token } = await (await context.request.get(base + "/admin/session")).json();
  assert.deepEqual(await ask({ "x-csrf-token": csrf_token, origin: "https://evil.example" }), [403, "cross_site"]);
  assert.deepEqual(await ask({ "x-csrf-token": csrf_token.slice(1) + "x" }), [403, "csrf"]);
  assert.equal((await ask({ "x-csrf-token": csrf_token }))[0], 201);
});

await step("a session that ends within an edit loses nothing that was typed", async () => {
  await open("keys");
  await button("Create key").click();
  await dialog().getByLabel("Name").fill("typed before the end");
  await context.clearCookies();
  expected = [/401/];
  await button("Create key", dialog()).click();
  await dialog().getByText("what is typed stays").waitFor();
  await dialog().getByLabel("API key").fill("sk-gw-wrong");
  await button("Sign in", dialog()).click();
  await dialog().getByRole("alert").waitFor();
  await dialog().getByLabel("API key").fill(adminKey);
  await button("Sign in", dialog()).click();
  await page.getByText("what is typed stays").waitFor({ state: "detached" });
  expected = [];
  assert.equal(await dialog().getByLabel("Name").inputValue(), "typed before the end");
  await button("Create key", dialog()).click();
  await dialog().getByText("sk-gw-").first().waitFor();
  await page.keyboard.press("Escape");
});

await step("a page of a proxy in place of an answer is told", async () => {
  const page200 = (r) => r.fulfill({ status: 200, contentType: "text/html", body: "<h1>Sign in to the network</h1>" });
  for (const [path, api] of [["keys", "api-keys"], ["models", "models"], ["providers", "provider-accounts"]]) {
    const route = `**/v1/admin/${api}*`;
    await page.route(route, page200);
    await page.goto(`${base}/admin/${path}`);
    await page.getByRole("alert").getByText("(HTTP 200) is not the gateway").first().waitFor();
    await settled();
    await page.unroute(route);
  }
});

await step("a viewer sees, and changes nothing", async () => {
  await button("Sign out").click();
  await signIn(viewerKey);
  await page.getByText("read-only").waitFor();
  for (const p of pages) {
    await open(p);
    assert.deepEqual(await page.getByRole("alert").allTextContents(), [], p);
    const changes = await page.getByRole("button", { name: /^(Create|Add|Edit|Delete|Revoke|Rotate|Reload|Test )/ }).count();
    assert.equal(changes, 0, `${p} offers a change`);
    assert.equal(await page.getByRole("switch").count(), 0, p);
    const html = await page.content();
    for (const s of [adminKey, viewerKey, "sk-upstream-secret-1234"]) assert.ok(!html.includes(s), `${p} shows a secret`);
  }
  await open("requests?follow=0");
  await page.locator(".vrow").first().click();
  await dialog().getByRole("heading", { name: "Decision trace" }).waitFor();
  assert.equal(await button("Show bodies", dialog()).count(), 0);
  const { csrf_token } = await (await context.request.get(base + "/admin/session")).json();
  const headers = { "x-csrf-token": csrf_token };
  for (const [method, path] of [["post", "/v1/admin/api-keys"], ["post", "/v1/admin/provider-accounts"], ["post", "/v1/admin/quota-policies"], ["post", "/v1/admin/model-mappings"], ["post", "/v1/admin/config/reload"], ["post", "/v1/admin/store/backup"]]) {
    const r = await context.request[method](base + path, { data: {}, headers });
    assert.equal(r.status(), 403, path);
    assert.equal((await r.json()).error.code, "missing_scope", path);
  }
});

await step("a session that was ended leads to the sign-in", async () => {
  expected = [/401/];
  await open("keys");
  await context.clearCookies();
  await page.getByRole("navigation").getByRole("link", { name: "Audit" }).click();
  await page.getByLabel("API key").waitFor();
  expected = [];
});

await browser.close();
assert.deepEqual(seen.console, [], "console errors");
assert.deepEqual(seen.foreign, [], "requests outside the origin");
assert.deepEqual(seen.dialogs, [], "a script of others ran");
console.log(`passed: ${seen.views} views, ${seen.axe} axe runs with 0 violations, 0 console errors, ${seen.requests} requests, 0 outside the origin, ${((Date.now() - started) / 1000).toFixed(0)} s`);
