// Google's Node SDK against the gateway.

import assert from 'node:assert/strict';
import { GoogleGenAI, ApiError } from '@google/genai';
import { GATEWAY, KEY, FORMAT, MODEL, LIMITED, BROKEN, PNG, SAW, WEATHER, ZURICH, BOTH, CLOCK, STEPS, greeting, raised, run, use } from './report.mjs';

const ai = new GoogleGenAI({ apiKey: KEY, httpOptions: { baseUrl: GATEWAY } });
const tools = [{ functionDeclarations: [{ name: 'get_weather', description: 'The weather', parametersJsonSchema: WEATHER }, { name: 'get_time', description: 'The time' }] }];

const ask = (contents, config = {}, model = MODEL) => ai.models.generateContent({ model, contents, config: { systemInstruction: 'Be brief.', ...config } });

// Gathers a stream into one answer.
async function askStreamed(contents, config = {}, model = MODEL) {
  const parts = [];
  let last;
  for await (last of await ai.models.generateContentStream({ model, contents, config: { systemInstruction: 'Be brief.', ...config } })) {
    parts.push(...(last.candidates?.[0]?.content?.parts ?? []).filter((p) => p.text || p.functionCall || p.thoughtSignature));
  }
  last.candidates[0].content = { role: 'model', parts };
  return last;
}

const text = (r) => r.candidates[0].content.parts.filter((p) => !p.thought).map((p) => p.text ?? '').join('');

function checkUsage({ usageMetadata: u }) {
  assert.deepEqual([u.promptTokenCount, u.cachedContentTokenCount, u.candidatesTokenCount + (u.thoughtsTokenCount ?? 0)], [20, 5, 10]);
}

// Runs a tool loop until the model answers.
async function loop(send, words, rounds, calls) {
  const contents = [{ role: 'user', parts: [{ text: words }] }];
  for (let i = 0; i < rounds; i++) {
    const r = await send(contents, { tools });
    checkUsage(r);
    const used = r.candidates[0].content.parts.filter((p) => p.functionCall).map((p) => p.functionCall);
    assert.equal(used.length, calls);
    contents.push(r.candidates[0].content, { role: 'user', parts: used.map((c) => ({ functionResponse: { id: c.id, name: c.name, response: { output: use(c.name, c.args ?? {}) } } })) });
  }
  return text(await send(contents, { tools }));
}

await run({
  async chat() {
    const r = await ask('Hello');
    assert.equal(text(r), greeting(1, 'Hello'));
    assert.equal(r.candidates[0].finishReason, 'STOP');
    checkUsage(r);
  },
  async stream() {
    const r = await askStreamed('Hello');
    assert.equal(text(r), greeting(1, 'Hello'));
    checkUsage(r);
  },
  async chat_object() {
    const chat = ai.chats.create({ model: MODEL, config: { systemInstruction: 'Be brief.' } });
    await chat.sendMessage({ message: 'One' });
    assert.equal((await chat.sendMessage({ message: 'Zwei' })).text, greeting(3, 'Zwei'));
  },
  async image() {
    assert.equal(text(await ask([{ role: 'user', parts: [{ inlineData: { mimeType: 'image/png', data: PNG } }, { text: '#image' }] }])), SAW);
  },
  async tool_loop() { assert.equal(await loop(ask, '#weather', 1, 1), ZURICH); },
  async tool_loop_streamed() { assert.equal(await loop(askStreamed, '#weather', 1, 1), ZURICH); },
  async parallel_tools() { assert.equal(await loop(ask, '#parallel', 1, 2), BOTH); },
  async parallel_tools_streamed() { assert.equal(await loop(askStreamed, '#parallel', 1, 2), BOTH); },
  async no_arguments() { assert.equal(await loop(askStreamed, '#noargs', 1, 1), CLOCK); },
  async two_steps() { assert.equal(await loop(ask, '#steps', 2, 1), STEPS); },
  async count_tokens() {
    const { totalTokens } = await ai.models.countTokens({ model: MODEL, contents: 'Hello' });
    assert.ok(FORMAT === 'gemini' ? totalTokens === 42 : totalTokens >= 2, `${totalTokens}`);
  },
  async wrong_key() {
    const e = await raised(() => new GoogleGenAI({ apiKey: 'sk-gw-wrong', httpOptions: { baseUrl: GATEWAY } }).models.generateContent({ model: MODEL, contents: 'Hello' }));
    assert.ok(e instanceof ApiError && e.status === 401, `${e}`);
  },
  async unknown_model() {
    const e = await raised(() => ask('Hello', {}, 'no-such-model'));
    assert.ok(e instanceof ApiError && e.status === 404, `${e}`);
  },
  async rate_limited() {
    const e = await raised(() => ask('Hello', {}, LIMITED));
    assert.ok(e instanceof ApiError && e.status === 429, `${e}`);
  },
  async mid_stream_error() { await raised(() => askStreamed('Hello', {}, BROKEN)); },
  async context_length() {
    const e = await raised(() => ask('#toolong'));
    assert.ok(e instanceof ApiError && e.status === 400, `${e}`);
  },
});
