// The AI SDK against the gateway: PROVIDER names which of its providers speaks.

import assert from 'node:assert/strict';
import { createAnthropic } from '@ai-sdk/anthropic';
import { createGoogleGenerativeAI } from '@ai-sdk/google';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError, Output, generateText, stepCountIs, streamText, tool } from 'ai';
import { z } from 'zod';
import { BOTH, BROKEN, CLOCK, CUT, FORMAT, GATEWAY, KEY, LIMITED, MODEL, SAW, PNG, STEPS, THINKER, ZURICH, greeting, raised, run, use } from './report.mjs';

globalThis.AI_SDK_LOG_WARNINGS = false;
const { PROVIDER } = process.env;
const speaks = {
  openai: (key) => createOpenAI({ baseURL: GATEWAY + '/v1', apiKey: key }).chat,
  'openai-responses': (key) => createOpenAI({ baseURL: GATEWAY + '/v1', apiKey: key }).responses,
  'openai-compatible': (key) => createOpenAICompatible({ name: 'gateway', baseURL: GATEWAY + '/v1', apiKey: key, includeUsage: true, supportsStructuredOutputs: true }).chatModel,
  anthropic: (key) => createAnthropic({ baseURL: GATEWAY + '/v1', apiKey: key }),
  google: (key) => createGoogleGenerativeAI({ baseURL: GATEWAY + '/v1beta', apiKey: key }),
}[PROVIDER];
const model = speaks(KEY);
const tools = {
  get_weather: tool({ description: 'The weather', inputSchema: z.object({ city: z.string(), days: z.number().int() }), execute: (a) => use('get_weather', a) }),
  get_time: tool({ description: 'The time', inputSchema: z.object({}), execute: (a) => use('get_time', a) }),
};
const say = (prompt, more = {}) => ({ model: model(MODEL), system: 'Be brief.', prompt, maxRetries: 0, ...more });
const looped = (prompt, more = {}) => say(prompt, { tools, stopWhen: stepCountIs(5), ...more });

// Streams to the end; errors are thrown.
async function streamed(request) {
  let failure;
  const r = streamText({ ...request, onError: ({ error }) => (failure = error) });
  let text = '';
  for await (const part of r.fullStream) {
    if (part.type === 'text-delta') text += part.text;
    if (part.type === 'error') throw Object.assign(new Error(String(part.error?.message ?? JSON.stringify(part.error)), { cause: part.error }), { text });
  }
  if (failure) throw failure;
  return { text: await r.text, finishReason: await r.finishReason, usage: await r.usage, totalUsage: await r.totalUsage, steps: await r.steps, output: r, reasoningText: await r.reasoningText };
}

function checkUsage(u) {
  assert.deepEqual([u.inputTokens, u.outputTokens, u.inputTokenDetails?.cacheReadTokens ?? u.cachedInputTokens], [20, 10, 5]);
}

// Both ways: whole and streamed.
async function both(request, check) {
  await check(await generateText(request));
  await check(await streamed(request));
}

// google() sends what a tool said as {name, content}, in the words of each vendor.
const told = (text) => (PROVIDER !== 'google' ? text : text
  .replace(/map\[content:(.*?) name:\w+\]/g, '$1')
  .replace(/\{"name":"\w+","content":("(?:[^"\\]|\\.)*")\}/g, (_, said) => JSON.parse(said)));

const stepsDone = (want, steps) => (r) => {
  assert.equal(told(r.text), want);
  assert.equal(r.finishReason, 'stop');
  assert.equal(r.steps.length, steps);
  r.steps.forEach((s) => checkUsage(s.usage));
};

async function failing(request) {
  const first = await raised(() => generateText(request));
  assert.ok(APICallError.isInstance(first), first);
  const second = (await raised(() => streamed(request))).cause;
  assert.ok(APICallError.isInstance(second), second);
  return [first, second];
}

await run({
  chat: async () => {
    const r = await generateText(say('Hello'));
    assert.deepEqual([r.text, r.finishReason, r.response.modelId], [greeting(1, 'Hello'), 'stop', MODEL]);
    checkUsage(r.usage);
  },
  stream: async () => {
    const r = await streamed(say('Hello'));
    assert.deepEqual([r.text, r.finishReason], [greeting(1, 'Hello'), 'stop']);
    checkUsage(r.usage);
  },
  image: () => both(say(undefined, { messages: [{ role: 'user', content: [{ type: 'text', text: '#image' }, { type: 'image', image: PNG, mediaType: 'image/png' }] }] }), (r) => assert.equal(r.text, SAW)),
  length: () => both(say('#long', { maxOutputTokens: 77 }), (r) => assert.deepEqual([r.text, r.finishReason], ['Cut at 77', 'length'])),
  structured: async () => {
    const want = { city: 'Zürich', celsius: 21 };
    const request = say('#json', { output: Output.object({ schema: z.object({ city: z.string(), celsius: z.number() }) }) });
    assert.deepEqual((await generateText(request)).output, want);
    assert.deepEqual(await streamText(request).output, want);
  },
  tool_loop: () => both(looped('#weather'), stepsDone(ZURICH, 2)),
  parallel_tools: () => both(looped('#parallel'), stepsDone(BOTH, 2)),
  no_arguments: () => both(looped('#noargs'), stepsDone(CLOCK, 2)),
  two_steps: () => both(looped('#steps'), stepsDone(STEPS, 3)),
  tool_choice: async () => {
    assert.equal((await generateText(say('#choice', { tools, toolChoice: 'auto' }))).text, 'choice=auto serial=false');
    for (const toolChoice of ['required', { type: 'tool', toolName: 'get_weather' }]) {
      const forced = (r) => assert.deepEqual(r.steps[0].toolCalls.map((c) => [c.toolName, c.input]), [['get_weather', { city: 'Bern', days: 1 }]]);
      await both(say('#forced', { tools, toolChoice }), forced);
    }
  },
  thinking: async () => {
    const providerOptions = { google: { thinkingConfig: { includeThoughts: true, thinkingBudget: 2000 } }, anthropic: { thinking: { type: 'enabled', budgetTokens: 2000 } }, gateway: { reasoningEffort: 'low' }, openai: { reasoningEffort: 'low', reasoningSummary: 'auto', store: false, include: ['reasoning.encrypted_content'], forceReasoning: true } };
    if (FORMAT === 'chat') return; // it does not think
    if (PROVIDER === 'openai' && FORMAT === 'openai') { // it drops reasoning_content, which the relayed vendor asks for
      assert.match((await raised(() => generateText(looped('#steps', { model: model(THINKER) })))).message, /reasoning_content/);
      return;
    }
    await both(looped('#steps', { model: model(THINKER), providerOptions, system: undefined }), (r) => {
      assert.equal(told(r.text), STEPS);
      if (PROVIDER !== 'openai' && FORMAT !== 'gemini') assert.deepEqual(r.steps.map((s) => s.reasoningText), [1, 2, 3].map((n) => `The user wrote 6 bytes; step ${n}.`)); // openai() shows none
    });
  },
  wrong_key: async () => {
    for (const e of await failing(say('Hello', { model: speaks('sk-gw-wrong')(MODEL) }))) assert.equal(e.statusCode, 401);
  },
  unknown_model: async () => {
    for (const e of await failing(say('Hello', { model: model('no-such-model') }))) {
      assert.equal(e.statusCode, 404);
      assert.match(e.message, /no-such-model/);
    }
  },
  rate_limited: async () => {
    for (const e of await failing(say('Hello', { model: model(LIMITED) }))) {
      assert.deepEqual([e.statusCode, e.isRetryable], [429, true]);
      assert.match(e.responseHeaders['retry-after'], /^[1-7]$/);
    }
  },
  mid_stream_error: async () => {
    const e = await raised(() => streamed(say('Hello', { model: model(BROKEN) })));
    assert.match(e.message, { anthropic: /Overloaded/, gemini: /./ }[FORMAT] ?? /The server had an error/);
    assert.ok(e.text && greeting(1, 'Hello').startsWith(e.text), e.text);
  },
  lost_connection: async () => assert.match((await raised(() => streamed(say('Hello', { model: model(CUT) })))).message, /upstream/),
  context_length: async () => {
    for (const e of await failing(say('#toolong'))) {
      assert.equal(e.statusCode, 400);
      assert.match(e.message, { anthropic: /prompt is too long: 250000 tokens > 200000 maximum/, gemini: /exceeds the maximum number of tokens/ }[FORMAT] ?? /maximum context length is 128000 tokens/);
    }
  },
});
