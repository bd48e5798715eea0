// Takes pictures of the admin page in both themes. docs/img/make runs it.
import { createRequire } from "node:module";

const { BASE: base, ADMIN_KEY: key, CHROMIUM: executablePath, OUT: out, WEB: web } = process.env;
const { chromium } = createRequire(web + "/package.json")("playwright-core");
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
for (const [theme, names] of [["light", ["overview"]], ["dark", ["overview", "requests"]]]) {
  const page = await (await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: "en-US", colorScheme: theme })).newPage();
  await page.goto(base + "/admin/");
  await page.getByLabel("API key").fill(key);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.locator(".frame").waitFor();
  for (const name of names) {
    await page.goto(`${base}/admin/${name}`);
    await page.locator(".page h1").waitFor();
    await page.waitForFunction(() => !document.querySelector("[aria-busy=true]"));
    await page.waitForTimeout(6000); // what happens meanwhile is told live
    await page.screenshot({ path: `${out}/page-${name}-${theme}.png` });
  }
}
await browser.close();
