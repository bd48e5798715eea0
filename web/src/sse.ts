// Server-sent events: of the live feed and of streamed answers.

export interface SseEvent { event: string; data: string }

/** eventReader takes text as it comes, split anywhere, and calls each for every whole event. */
export function eventReader(each: (e: SseEvent) => void): (chunk: string) => void {
  let rest = "", event = "", skipLf = false;
  let data: string[] = [];
  const line = (l: string) => {
    if (l === "") {
      if (data.length > 0) each({ event: event || "message", data: data.join("\n") });
      event = "";
      data = [];
      return;
    }
    const colon = l.indexOf(":");
    if (colon === 0) return; // a comment
    const name = colon < 0 ? l : l.slice(0, colon);
    let value = colon < 0 ? "" : l.slice(colon + 1);
    if (value.startsWith(" ")) value = value.slice(1);
    if (name === "data") data.push(value);
    else if (name === "event") event = value;
  };
  return (chunk) => {
    if (skipLf && chunk.startsWith("\n")) chunk = chunk.slice(1);
    if (chunk !== "") skipLf = false;
    rest += chunk;
    let start = 0;
    for (let i = 0; i < rest.length; i++) {
      const c = rest.charCodeAt(i);
      if (c !== 10 && c !== 13) continue;
      line(rest.slice(start, i));
      if (c === 13) {
        if (i + 1 === rest.length) skipLf = true;
        else if (rest.charCodeAt(i + 1) === 10) i++;
      }
      start = i + 1;
    }
    rest = rest.slice(start);
  };
}

/** readEvents reads a body to its end. beat is told that something came, be it a comment. */
export async function readEvents(body: ReadableStream<Uint8Array>, each: (e: SseEvent) => void, beat?: () => void): Promise<void> {
  const take = eventReader(each);
  const reader = body.getReader();
  const text = new TextDecoder();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    beat?.();
    take(text.decode(value, { stream: true }));
  }
}
