// OpenAI's Node SDK against the gateway.

import assert from 'node:assert/strict';
import OpenAI from 'openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import { BOTH, BROKEN, CLOCK, CUT, FORMAT, GATEWAY, KEY, LIMITED, MODEL, NOTHING, PNG, SAW, STEPS, THINKER, WEATHER, ZURICH, greeting, raised, run, use } from './report.mjs';

const client = new OpenAI({ baseURL: GATEWAY + '/v1', apiKey: KEY, maxRetries: 0, timeout: 20_000 });
const chat = client.chat.completions;
const tools = [
  { type: 'function', function: { name: 'get_weather', description: 'The weather', parameters: WEATHER, strict: true } },
  { type: 'function', function: { name: 'get_time', parameters: NOTHING, strict: true } },
];
const say = (text, more = {}) => ({ model: MODEL, messages: [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: text }], ...more });
const ask = (request) => chat.create(request);
const askStreamed = (request) => chat.stream({ ...request, stream_options: { include_usage: true } }).finalChatCompletion();

function checkUsage(u) {
  assert.deepEqual([u.prompt_tokens, u.completion_tokens, u.total_tokens, u.prompt_tokens_details.cached_tokens], [20, 10, 30, 5]);
}

// Runs a tool loop until the model answers.
async function loop(send, text, rounds, calls, more = {}) {
  const request = say(text, { tools, ...more });
  for (let i = 0; i < rounds; i++) {
    const r = await send(request);
    const { message, finish_reason } = r.choices[0];
    assert.equal(finish_reason, 'tool_calls');
    checkUsage(r.usage);
    assert.equal(new Set(message.tool_calls.map((c) => c.id)).size, calls);
    request.messages.push(message);
    for (const c of message.tool_calls) {
      assert.equal(c.type, 'function');
      request.messages.push({ role: 'tool', tool_call_id: c.id, content: use(c.function.name, JSON.parse(c.function.arguments)) });
    }
  }
  const r = await send(request);
  assert.equal(r.choices[0].finish_reason, 'stop');
  return r.choices[0].message.content;
}

async function think(keep) {
  const request = say('#weather', { tools, reasoning_effort: 'low', model: THINKER });
  let { message } = (await ask(request)).choices[0];
  assert.match(message.reasoning_content, /step 1\./);
  const [call] = message.tool_calls;
  const { role, content, tool_calls } = message;
  const result = use(call.function.name, JSON.parse(call.function.arguments));
  request.messages.push(keep ? message : { role, content, tool_calls }, { role: 'tool', tool_call_id: call.id, content: result });
  ({ message } = (await ask(request)).choices[0]);
  assert.equal(message.content, ZURICH);
  assert.match(message.reasoning_content ?? '', /step 2\./); // it thought on
}

async function broken(model) {
  let text = '';
  const e = await raised(async () => {
    for await (const chunk of await chat.create({ ...say('Hello'), model, stream: true })) {
      text += chunk.choices[0].delta.content ?? '';
      assert.equal(chunk.choices[0].finish_reason ?? null, null);
    }
  });
  assert.ok(e instanceof OpenAI.APIError, e);
  assert.ok(text && greeting(1, 'Hello').startsWith(text.slice(0, 4)), text);
  return e;
}

await run({
  async chat() {
    const r = await ask(say('Hello', { temperature: 1.5, seed: 7 }));
    const { message, finish_reason } = r.choices[0];
    assert.equal(message.content, greeting(1, 'Hello'));
    assert.deepEqual([message.role, finish_reason, r.object, r.model], ['assistant', 'stop', 'chat.completion', MODEL]);
    assert.ok(r.id && r.created > 0);
    checkUsage(r.usage);
  },
  async history() {
    const request = say('One');
    request.messages.push({ role: 'assistant', content: 'Two' }, { role: 'user', content: [{ type: 'text', text: 'Drei ✓' }] });
    assert.equal((await ask(request)).choices[0].message.content, greeting(3, 'Drei ✓'));
  },
  async stream() {
    const r = await askStreamed(say('Hello'));
    assert.equal(r.choices[0].message.content, greeting(1, 'Hello'));
    assert.deepEqual([r.choices[0].message.role, r.choices[0].finish_reason, r.model], ['assistant', 'stop', MODEL]);
    checkUsage(r.usage);
    let text = '';
    for await (const chunk of await chat.create(say('Hello', { stream: true }))) {
      assert.equal(chunk.usage ?? null, null); // it was not asked for
      assert.equal(chunk.choices.length, 1);
      text += chunk.choices[0].delta.content ?? '';
    }
    assert.equal(text, greeting(1, 'Hello'));
  },
  async stop() {
    const { message, finish_reason } = (await ask(say('#stop', { stop: ['END'] }))).choices[0];
    assert.deepEqual([message.content, finish_reason], ['Up to here', 'stop']);
  },
  async length() {
    for (const send of [ask, askStreamed]) {
      const { message, finish_reason } = (await send(say('#long', { max_tokens: 77 }))).choices[0];
      assert.deepEqual([message.content, finish_reason], ['Cut at 77', 'length']);
    }
  },
  async image() {
    const request = say('x');
    request.messages[1].content = [{ type: 'text', text: '#image' }, { type: 'image_url', image_url: { url: 'data:image/png;base64,' + PNG } }];
    assert.equal((await ask(request)).choices[0].message.content, SAW);
  },
  async structured() {
    const response_format = zodResponseFormat(z.object({ city: z.string(), celsius: z.number() }), 'weather');
    const want = { city: 'Zürich', celsius: 21 };
    assert.deepEqual((await chat.parse(say('#json', { response_format }))).choices[0].message.parsed, want);
    assert.deepEqual((await chat.stream(say('#json', { response_format })).finalChatCompletion()).choices[0].message.parsed, want);
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
  async run_tools() { // the SDK's own loop
    for (const stream of [false, true]) {
      const runner = chat.runTools(say('#steps', {
        stream,
        tools: [
          { type: 'function', function: { name: 'get_weather', description: 'w', parameters: WEATHER, parse: JSON.parse, function: (a) => use('get_weather', a) } },
          { type: 'function', function: { name: 'get_time', description: 't', parameters: NOTHING, parse: JSON.parse, function: (a) => use('get_time', a) } },
        ],
      }));
      assert.equal(await runner.finalContent(), STEPS);
    }
  },
  async tool_choice() {
    const f = async (want, more) => assert.equal((await ask(say('#choice', { tools, ...more }))).choices[0].message.content, want);
    await f('choice=auto serial=false', {});
    await f('choice=none serial=false', { tool_choice: 'none' });
    await f('choice=required serial=false', { tool_choice: 'required' });
    await f('choice=get_time serial=true', { tool_choice: { type: 'function', function: { name: 'get_time' } }, parallel_tool_calls: false });
    await f('choice=auto serial=true', { parallel_tool_calls: false });
  },
  thinking_kept: () => think(true),
  async thinking_dropped() {
    if (FORMAT === 'openai') { // relayed as it is: the vendor itself says what is missing
      const e = await raised(() => think(false));
      assert.ok(e instanceof OpenAI.BadRequestError, e);
      assert.match(e.message, /reasoning_content/);
    } else { // the gateway remembers what this format has no place for
      await think(false);
    }
  },
  async wrong_key() {
    const e = await raised(() => new OpenAI({ baseURL: GATEWAY + '/v1', apiKey: 'sk-gw-wrong', maxRetries: 0 }).chat.completions.create(say('Hello')));
    assert.ok(e instanceof OpenAI.AuthenticationError, e);
    assert.equal(e.code, 'invalid_api_key');
  },
  async unknown_model() {
    for (const stream of [false, true]) {
      const e = await raised(() => ask(say('Hello', { stream, model: 'no-such-model' })));
      assert.ok(e instanceof OpenAI.NotFoundError, e);
      assert.equal(e.code, 'model_not_found');
      assert.match(e.message, /no-such-model/);
    }
  },
  async rate_limited() {
    for (const stream of [false, true]) {
      const e = await raised(() => ask(say('Hello', { stream, model: LIMITED })));
      assert.ok(e instanceof OpenAI.RateLimitError, e);
      assert.match(e.headers.get('retry-after'), /^[1-7]$/);
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
      assert.ok(e instanceof OpenAI.BadRequestError, e);
      assert.equal(e.code, 'context_length_exceeded');
      assert.match(e.message, FORMAT === 'openai' ? /maximum context length is 128000 tokens/ : /prompt is too long: 250000 tokens > 200000 maximum/);
    }
  },
  async models() {
    const ids = [];
    for await (const m of client.models.list()) ids.push(m.id);
    for (const m of [MODEL, THINKER, LIMITED]) assert.ok(ids.includes(m), ids);
    assert.equal((await client.models.retrieve(MODEL)).id, MODEL);
  },
});
