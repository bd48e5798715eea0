// Opens the pages that read usage, over a store of many rows, and measures what people
// wait for. TestAdminPageScale runs it.
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const { BASE: base, ADMIN_KEY: adminKey, CHROMIUM: executablePath } = process.env;
const mostCall = Number(process.env.MOST_CALL_MS), mostDraw = Number(process.env.MOST_DRAW_MS);
const times = Number(process.env.TIMES); // each page is opened and each call made as often; the least counts, for others may be at work here

const overview = () => document.querySelectorAll(".tile .value").length === 6 && document.querySelectorAll(".u-wrap canvas").length === 4 && document.querySelectorAll("tbody tr").length >= 7;
const usage = () => document.querySelectorAll("tbody tr").length >= 7 && document.querySelectorAll(".u-wrap canvas").length === 1;
const list = () => document.querySelectorAll(".vrow").length >= 10;
const looked = () => document.querySelector(".vlist .empty, .vrow") !== null;

/** [path, what it must contain, what is done next] */
const pages = [
  ...["24h", "7d", "30d"].map((range) => [`overview?range=${range}`, overview]),
  ...["24h", "7d", "30d"].flatMap((range) => ["model", "key", "account"].map((by) => [`usage?range=${range}&by=${by}`, usage])),
  ["usage?range=7d&compare=1", usage],
  ["requests", list, "end"], // and the page after it
  ["requests?follow=0&key=key-0007", list],
  ["requests?follow=0&model=model-07", list],
  ["requests?follow=0&account=account-7", list],
  ["requests?follow=0&status=error", looked],
  ["requests?follow=0&q=overloaded", looked],
  ["requests?follow=0&q=model-07", looked],
];

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
const page = await (await browser.newContext({ viewport: { width: 1360, height: 860 }, locale: "en-US" })).newPage();
await page.goto(base + "/admin/");
await page.getByLabel("API key").fill(adminKey);
await page.getByRole("button", { name: "Sign in", exact: true }).click();
await page.locator(".frame").waitFor();

/** worked is the time in ms that processors worked for the gateway, where the system tells. */
function worked() {
  try {
    const [user, system] = readFileSync(`/proc/${process.env.PID}/stat`, "utf8").split(") ")[1].split(" ").slice(11, 13);
    return (Number(user) + Number(system)) * 10;
  } catch {
    return NaN;
  }
}
const ms = (v) => v.toFixed(1).padStart(7) + " ms";
const slow = [];
const measured = new Set();

/** callTime asks as the page did, and takes the time until the whole answer is there, and the work it was. */
async function callTime(path) {
  const taken = [];
  const before = worked();
  for (let i = 0; i < times; i++) {
    const start = performance.now();
    const r = await fetch(base + path, { headers: { authorization: "Bearer " + adminKey } });
    await r.arrayBuffer();
    if (!r.ok) throw new Error(`${path}: ${r.status}`);
    taken.push(performance.now() - start);
  }
  return [Math.min(...taken), (worked() - before) / times];
}

for (const [path, drawn, next] of pages) {
  const taken = [];
  let calls = [];
  for (let i = 0; i < times; i++) {
    await page.goto("about:blank");
    await page.goto(`${base}/admin/${path}`, { waitUntil: "commit" });
    await page.waitForFunction(drawn, null, { timeout: 60_000 });
    // The clock of the page begins with the navigation; a frame later it is seen.
    taken.push(await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now()))))));
    if (next === "end") {
      const answered = page.waitForResponse(/usage\/logs\?.*cursor=/);
      await page.locator(".vlist").evaluate((el) => { el.scrollTop = el.scrollHeight; });
      await answered;
    }
    calls = await page.evaluate(() => performance.getEntriesByType("resource").map((e) => e.name.slice(location.origin.length)).filter((p) => p.startsWith("/v1/admin/") && !p.includes("/live")));
  }
  const draw = Math.min(...taken);
  console.log(`${ms(draw)} drawn (first ${ms(taken[0]).trim()}, worst ${ms(Math.max(...taken)).trim()})  ${path}`);
  if (draw > mostDraw) slow.push(`${path} is drawn after ${ms(draw).trim()}`);
  for (const c of calls) {
    if (measured.has(c)) continue;
    measured.add(c);
    const [took, work] = await callTime(c);
    console.log(`    ${ms(took)}, work ${ms(work)}  ${c.replace(/(cursor=.{8})[^&]*/, "$1…")}`);
    if (took > mostCall) slow.push(`${c} takes ${ms(took).trim()}`);
  }
}
await browser.close();
for (const s of slow) console.error("slow: " + s);
process.exit(slow.length ? 1 : 0);
