// Gives recorded streams to the vendors' Node SDKs: reads one JSON object
// {"id","format","stream"} a line and writes, one line {"id","body"} or {"id","error"},
// the whole message that the format's SDK puts together from it.

import { createInterface } from 'node:readline';
import OpenAI from 'openai';
import Anthropic from '@anthropic-ai/sdk';
import { GoogleGenAI } from '@google/genai';

let stream = '';
const played = async () => new Response(stream, { status: 200, headers: { 'content-type': 'text/event-stream' } });
globalThis.fetch = played; // Google's SDK takes no other

const openai = new OpenAI({ apiKey: 'k', fetch: played, maxRetries: 0 });
const anthropic = new Anthropic({ apiKey: 'k', fetch: played, maxRetries: 0 });
const google = new GoogleGenAI({ apiKey: 'k' });
const words = [{ role: 'user', content: 'x' }];

const rebuild = {
  chat: () => openai.chat.completions.stream({ model: 'm', messages: words }).finalChatCompletion(),
  responses: () => openai.responses.stream({ model: 'm', input: 'x' }).finalResponse(),
  messages: () => anthropic.messages.stream({ model: 'm', max_tokens: 1, messages: words }).finalMessage(),
  async gemini() {
    const chat = google.chats.create({ model: 'm' });
    let last, finishReason, promptFeedback;
    for await (last of await chat.sendMessageStream({ message: 'x' })) {
      finishReason = last.candidates?.[0]?.finishReason ?? finishReason;
      promptFeedback = last.promptFeedback ?? promptFeedback;
    }
    const parts = chat.getHistory().slice(1).flatMap((c) => c.parts ?? []);
    const { usageMetadata, modelVersion, responseId } = last;
    const forgotten = chat.getHistory(true).length === 0 && !promptFeedback?.blockReason;
    return { candidates: [{ content: { role: 'model', parts }, finishReason }], promptFeedback, usageMetadata, modelVersion, responseId, forgotten };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const job = JSON.parse(line);
  stream = job.stream;
  let answer;
  try {
    answer = { id: job.id, body: await rebuild[job.format]() };
  } catch (e) {
    answer = { id: job.id, error: String(e) };
  }
  process.stdout.write(JSON.stringify(answer) + '\n');
}
