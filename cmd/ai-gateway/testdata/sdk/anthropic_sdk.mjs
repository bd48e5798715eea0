// Anthropic's Node SDK against the gateway.

import assert from 'node:assert/strict';
import Anthropic from '@anthropic-ai/sdk';
import { zodOutputFormat } from '@anthropic-ai/sdk/helpers/zod';
import { z } from 'zod';
import { BOTH, BROKEN, CLOCK, CUT, FORMAT, GATEWAY, KEY, LIMITED, MODEL, NOTHING, PNG, SAW, STEPS, THINKER, WEATHER, ZURICH, greeting, raised, run, use } from './report.mjs';

const client = new Anthropic({ baseURL: GATEWAY, apiKey: KEY, maxRetries: 0, timeout: 20_000 });
const tools = [
  { name: 'get_weather', description: 'The weather', input_schema: WEATHER },
  { name: 'get_time', input_schema: NOTHING },
];
const say = (text, more = {}) => ({ model: MODEL, max_tokens: 4000, system: 'Be brief.', messages: [{ role: 'user', content: text }], ...more });
const ask = (request) => client.messages.create(request);
const askStreamed = (request) => client.messages.stream(request).finalMessage();
const textOf = (m) => m.content.filter((b) => b.type === 'text').map((b) => b.text).join('');

function checkUsage(u) {
  assert.deepEqual([u.input_tokens, u.cache_read_input_tokens, u.output_tokens], [15, 5, 10]);
}

// Answers a turn of the model with the results of the tools it asked for.
function answer(request, m) {
  const used = m.content.filter((b) => b.type === 'tool_use');
  const results = used.map((b) => ({ type: 'tool_result', tool_use_id: b.id, content: use(b.name, b.input) }));
  request.messages.push({ role: 'assistant', content: m.content }, { role: 'user', content: results });
  return used.length;
}

async function loop(send, text, rounds, calls) {
  const request = say(text, { tools });
  for (let i = 0; i < rounds; i++) {
    const m = await send(request);
    assert.equal(m.stop_reason, 'tool_use');
    checkUsage(m.usage);
    assert.equal(answer(request, m), calls);
  }
  const m = await send(request);
  assert.equal(m.stop_reason, 'end_turn');
  return textOf(m);
}

async function think(send) {
  const request = say('#steps', { tools, model: THINKER, thinking: { type: 'enabled', budget_tokens: 2000 } });
  let m;
  for (const step of [1, 2, 3]) {
    m = await send(request);
    assert.equal(m.content[0].thinking, `The user wrote 6 bytes; step ${step}.`);
    if (FORMAT === 'anthropic') assert.match(m.content[0].signature, /^Sig/);
    answer(request, m);
  }
  assert.deepEqual([textOf(m), m.stop_reason], [STEPS, 'end_turn']);
}

async function broken(model) {
  let text = '';
  const e = await raised(() => client.messages.stream(say('Hello', { model })).on('text', (t) => (text += t)).finalMessage());
  assert.ok(e instanceof Anthropic.APIError, e);
  assert.ok(text && greeting(1, 'Hello').startsWith(text.slice(0, 4)), text);
  return e;
}

await run({
  async chat() {
    const m = await ask(say('Hello'));
    assert.deepEqual(m.content.map((b) => b.type), ['text']);
    assert.equal(textOf(m), greeting(1, 'Hello'));
    assert.deepEqual([m.type, m.role, m.stop_reason, m.stop_sequence, m.model], ['message', 'assistant', 'end_turn', null, MODEL]);
    assert.ok(m.id);
    checkUsage(m.usage);
  },
  async history() {
    const request = say('One');
    request.messages.push({ role: 'assistant', content: 'Two' }, { role: 'user', content: [{ type: 'text', text: 'Drei ✓', cache_control: { type: 'ephemeral' } }] });
    assert.equal(textOf(await ask(request)), greeting(3, 'Drei ✓'));
  },
  async stream() {
    let text = '';
    const m = await client.messages.stream(say('Hello')).on('text', (t) => (text += t)).finalMessage();
    assert.equal(text, greeting(1, 'Hello'));
    assert.equal(textOf(m), text);
    assert.deepEqual([m.role, m.stop_reason, m.model], ['assistant', 'end_turn', MODEL]);
    checkUsage(m.usage);
    const names = [];
    for await (const e of await client.messages.create(say('Hello', { stream: true }))) names.push(e.type);
    assert.deepEqual([names[0], names[1], names.at(-2), names.at(-1)], ['message_start', 'content_block_start', 'message_delta', 'message_stop']);
  },
  async stop() {
    for (const send of [ask, askStreamed]) {
      const m = await send(say('#stop', { stop_sequences: ['END'] }));
      assert.equal(textOf(m), 'Up to here');
      // OpenAI's format does not tell which sequence it was, nor that it was one.
      assert.deepEqual([m.stop_reason, m.stop_sequence], FORMAT === 'anthropic' ? ['stop_sequence', 'END'] : ['end_turn', null]);
    }
  },
  async length() {
    for (const send of [ask, askStreamed]) {
      const m = await send(say('#long', { max_tokens: 77 }));
      assert.deepEqual([textOf(m), m.stop_reason], ['Cut at 77', 'max_tokens']);
    }
  },
  async image() {
    const m = await ask(say([{ type: 'text', text: '#image' }, { type: 'image', source: { type: 'base64', media_type: 'image/png', data: PNG } }]));
    assert.equal(textOf(m), SAW);
  },
  async structured() {
    const output_config = { format: zodOutputFormat(z.object({ city: z.string(), celsius: z.number() })) };
    const want = { city: 'Zürich', celsius: 21 };
    assert.deepEqual((await client.messages.parse(say('#json', { output_config }))).parsed_output, want);
    assert.deepEqual((await askStreamed(say('#json', { output_config }))).parsed_output, want);
  },
  tool_loop: async () => assert.equal(await loop(ask, '#weather', 1, 1), ZURICH),
  tool_loop_streamed: async () => assert.equal(await loop(askStreamed, '#weather', 1, 1), ZURICH),
  parallel_tools: async () => assert.equal(await loop(ask, '#parallel', 1, 2), BOTH),
  parallel_tools_streamed: async () => assert.equal(await loop(askStreamed, '#parallel', 1, 2), BOTH),
  async no_arguments() {
    assert.equal(await loop(ask, '#noargs', 1, 1), CLOCK);
    assert.equal(await loop(askStreamed, '#noargs', 1, 1), CLOCK);
  },
  async two_steps() {
    assert.equal(await loop(ask, '#steps', 2, 1), STEPS);
    assert.equal(await loop(askStreamed, '#steps', 2, 1), STEPS);
  },
  async tool_choice() {
    const f = async (want, more) => assert.equal(textOf(await ask(say('#choice', { tools, ...more }))), want);
    await f('choice=auto serial=false', {});
    await f('choice=none serial=false', { tool_choice: { type: 'none' } });
    await f('choice=required serial=false', { tool_choice: { type: 'any' } });
    await f('choice=get_time serial=true', { tool_choice: { type: 'tool', name: 'get_time', disable_parallel_tool_use: true } });
    await f('choice=auto serial=true', { tool_choice: { type: 'auto', disable_parallel_tool_use: true } });
  },
  thinking: () => think(ask),
  thinking_streamed: () => think(askStreamed),
  async wrong_key() {
    const e = await raised(() => new Anthropic({ baseURL: GATEWAY, apiKey: 'sk-gw-wrong', maxRetries: 0 }).messages.create(say('Hello')));
    assert.ok(e instanceof Anthropic.AuthenticationError, e);
    assert.equal(e.error.error.type, 'authentication_error');
  },
  async unknown_model() {
    for (const stream of [false, true]) {
      const e = await raised(() => ask(say('Hello', { stream, model: 'no-such-model' })));
      assert.ok(e instanceof Anthropic.NotFoundError, e);
      assert.equal(e.error.error.type, 'not_found_error');
      assert.match(e.message, /no-such-model/);
    }
  },
  async rate_limited() {
    for (const stream of [false, true]) {
      const e = await raised(() => ask(say('Hello', { stream, model: LIMITED })));
      assert.ok(e instanceof Anthropic.RateLimitError, e);
      assert.match(e.headers.get('retry-after'), /^[1-7]$/);
      assert.equal(e.error.error.type, 'rate_limit_error');
    }
  },
  async mid_stream_error() {
    assert.match((await broken(BROKEN)).message, FORMAT === 'openai' ? /The server had an error/ : /Overloaded/);
  },
  async lost_connection() {
    assert.match((await broken(CUT)).message, /upstream/);
  },
  async context_length() {
    for (const stream of [false, true]) {
      const e = await raised(() => ask(say('#toolong', { stream })));
      assert.ok(e instanceof Anthropic.BadRequestError, e);
      assert.equal(e.error.error.type, 'invalid_request_error');
      assert.match(e.message, FORMAT === 'openai' ? /maximum context length is 128000 tokens/ : /prompt is too long: 250000 tokens > 200000 maximum/);
    }
  },
  async models() {
    const ids = [];
    for await (const m of client.models.list()) ids.push(m.id);
    for (const m of [MODEL, THINKER, LIMITED]) assert.ok(ids.includes(m), ids);
    const m = await client.models.retrieve(MODEL);
    assert.deepEqual([m.id, m.type], [MODEL, 'model']);
  },
  async count_tokens() {
    const n = (await client.messages.countTokens({ model: MODEL, system: 'Be brief.', messages: [{ role: 'user', content: 'Hello '.repeat(100) }], tools })).input_tokens;
    if (FORMAT === 'anthropic') assert.equal(n, 42); // the upstream's word
    else assert.ok(n >= 300 && n <= 2000, n); // an estimate
  },
});
