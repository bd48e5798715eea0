// Refuses what the type checker lets pass: `any`, ways to make markup of text, and
// addresses of other origins.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const rules = [
  [/\bany\b(?=\s*[;,)>\]=|&\[]|\s*$)|:\s*any\b|\bas any\b|<any>/, "any: say what it is, or unknown"],
  [/@ts-(ignore|nocheck|expect-error)/, "a silenced type error"],
  [/innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|srcdoc|createContextualFragment/, "markup made of text"],
  [/\beval\(|new Function\(/, "code made of text"],
  [/\bstyle="/, "an inline style, which the content policy refuses"],
  [/["'`](https?:)?\/\/(?!www\.w3\.org\/)[a-z0-9]/i, "an address of another origin"],
];
let bad = 0;
for (const name of readdirSync("src", { recursive: true })) {
  if (!/\.tsx?$/.test(name)) continue;
  readFileSync(join("src", name), "utf8").split("\n").forEach((line, i) => {
    if (/^\s*(\/\/|\*)/.test(line) || line.includes("check: example")) return;
    for (const [pattern, what] of rules) {
      if (pattern.test(line)) {
        console.error(`src/${name}:${i + 1}: ${what}: ${line.trim()}`);
        bad++;
      }
    }
  });
}
process.exit(bad ? 1 : 0);
