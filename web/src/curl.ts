// A request written as a command for a shell.
const paths: Record<string, string> = { chat: "/v1/chat/completions", responses: "/v1/responses", messages: "/v1/messages", gemini: "/v1beta/models/{model}:generateContent" };

/** pathOf is where a request of a format goes. */
export function pathOf(dialect: string, model: string, stream = false): string {
  const p = (paths[dialect] ?? "/v1/chat/completions").replace("{model}", encodeURIComponent(model));
  return stream && dialect === "gemini" ? p.replace(":generateContent", ":streamGenerateContent?alt=sse") : p;
}

/** quote makes one word of a text for a POSIX shell. */
export const quote = (s: string): string => "'" + s.replaceAll("'", `'\\''`) + "'";

/** curl writes the command; the key is left to the reader's environment. */
export function curl(origin: string, path: string, body: string): string {
  const head = path.startsWith("/v1/messages") ? [`-H "x-api-key: $AI_GATEWAY_API_KEY"`, `-H 'anthropic-version: 2023-06-01'`]
    : path.startsWith("/v1beta/") ? [`-H "x-goog-api-key: $AI_GATEWAY_API_KEY"`]
    : [`-H "Authorization: Bearer $AI_GATEWAY_API_KEY"`];
  return [`curl -sN ${quote(origin + path)}`, ...head, `-H 'Content-Type: application/json'`, `-d ${quote(body)}`].join(" \\\n  ");
}
