// OpenAI's Node SDK speaking Responses to the gateway.

import assert from 'node:assert/strict';
import OpenAI from 'openai';
import { zodTextFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import { BOTH, BROKEN, CLOCK, CUT, FORMAT, GATEWAY, KEY, LIMITED, MODEL, NOTHING, STEPS, THINKER, WEATHER, ZURICH, greeting, raised, run, use } from './report.mjs';

const client = new OpenAI({ baseURL: GATEWAY + '/v1', apiKey: KEY, maxRetries: 0, timeout: 20_000 });
const { responses } = client;
const tools = [
  { type: 'function', name: 'get_weather', description: 'The weather', parameters: WEATHER, strict: true },
  { type: 'function', name: 'get_time', parameters: NOTHING, strict: true },
];
const say = (text, more = {}) => ({ model: MODEL, instructions: 'Be brief.', input: [{ role: 'user', content: text }], ...more });
const ask = (request) => responses.create(request);
const askStreamed = (request) => responses.stream(request).finalResponse();

function checkUsage(u) {
  assert.deepEqual([u.input_tokens, u.output_tokens, u.total_tokens, u.input_tokens_details.cached_tokens], [20, 10, 30, 5]);
}

// Runs a tool loop, sending every item back, until the model answers.
async function loop(send, text, rounds, calls, more = {}) {
  const request = say(text, { tools, ...more });
  for (let i = 0; i < rounds; i++) {
    const r = await send(request);
    assert.equal(r.status, 'completed');
    checkUsage(r.usage);
    const asked = r.output.filter((item) => item.type === 'function_call');
    assert.equal(new Set(asked.map((c) => c.call_id)).size, calls);
    request.input.push(...r.output);
    for (const c of asked) request.input.push({ type: 'function_call_output', call_id: c.call_id, output: use(c.name, JSON.parse(c.arguments)) });
  }
  return (await send(request)).output_text;
}

const bothWays = async (check) => {
  await check(ask);
  await check(askStreamed);
};

await run({
  chat: async () => {
    const r = await ask(say('Hello'));
    assert.deepEqual([r.output_text, r.model, r.status], [greeting(1, 'Hello'), MODEL, 'completed']);
    checkUsage(r.usage);
  },
  stream: async () => {
    const r = await askStreamed(say('Hello'));
    assert.deepEqual([r.output_text, r.model, r.status], [greeting(1, 'Hello'), MODEL, 'completed']);
    checkUsage(r.usage);
  },
  length: async () => {
    const r = await ask(say('#long', { max_output_tokens: 77 }));
    assert.deepEqual([r.output_text, r.status, r.incomplete_details.reason], ['Cut at 77', 'incomplete', 'max_output_tokens']);
    let last;
    for await (const ev of await ask(say('#long', { max_output_tokens: 77, stream: true }))) last = ev;
    assert.deepEqual([last.type, last.response.incomplete_details.reason], ['response.incomplete', 'max_output_tokens']);
  },
  structured: async () => {
    const format = zodTextFormat(z.object({ city: z.string(), celsius: z.number() }), 'answer');
    const r = await responses.parse(say('#json', { text: { format } }));
    assert.deepEqual(r.output_parsed, { city: 'Zürich', celsius: 21 });
  },
  tool_loop: () => bothWays(async (send) => assert.equal(await loop(send, '#weather', 1, 1), ZURICH)),
  parallel_tools: () => bothWays(async (send) => assert.equal(await loop(send, '#parallel', 1, 2), BOTH)),
  no_arguments: () => bothWays(async (send) => assert.equal(await loop(send, '#noargs', 1, 1), CLOCK)),
  two_steps: () => bothWays(async (send) => assert.equal(await loop(send, '#steps', 2, 1), STEPS)),
  thinking: async () => {
    if (FORMAT === 'chat') return; // it does not think
    const more = { model: THINKER, reasoning: { effort: 'low', summary: 'auto' }, include: ['reasoning.encrypted_content'], store: false };
    await bothWays(async (send) => {
      const [thought] = (await send(say('#weather', { tools, ...more }))).output;
      assert.deepEqual([thought.type, thought.summary[0].text], ['reasoning', 'The user wrote 8 bytes; step 1.']);
      assert.equal(await loop(send, '#steps', 2, 1, more), STEPS);
    });
  },
  wrong_key: async () => assert.equal((await raised(() => new OpenAI({ baseURL: GATEWAY + '/v1', apiKey: 'sk-gw-wrong', maxRetries: 0 }).responses.create(say('Hello')))).status, 401),
  unknown_model: async () => assert.equal((await raised(() => ask(say('Hello', { model: 'no-such-model' })))).status, 404),
  rate_limited: () => bothWays(async (send) => assert.equal((await raised(() => send(say('Hello', { model: LIMITED })))).status, 429)),
  mid_stream_error: async () => assert.match((await raised(() => askStreamed(say('Hello', { model: BROKEN })))).message, FORMAT === 'anthropic' ? /Overloaded/ : /The server had an error/),
  lost_connection: async () => assert.match((await raised(() => askStreamed(say('Hello', { model: CUT })))).message, /upstream/),
  context_length: async () => assert.match((await raised(() => ask(say('#toolong')))).message, FORMAT === 'anthropic' ? /prompt is too long/ : /maximum context length/),
});
