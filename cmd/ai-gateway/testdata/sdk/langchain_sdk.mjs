// LangChain's JavaScript packages for OpenAI and Anthropic against the gateway.
import { ChatAnthropic } from '@langchain/anthropic';
import { HumanMessage, SystemMessage } from '@langchain/core/messages';
import { tool } from '@langchain/core/tools';
import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai';
import assert from 'node:assert/strict';
import { z } from 'zod';

import { BOTH, GATEWAY, KEY, MODEL, STEPS, greeting, run, use } from './report.mjs';

const tools = [
  tool((args) => use('get_weather', args), { name: 'get_weather', description: 'The weather', schema: z.object({ city: z.string(), days: z.number().int() }) }),
  tool((args) => use('get_time', args), { name: 'get_time', description: 'The time', schema: z.object({}) }),
];

const scenarios = {};
const scenario = (name, f) => (scenarios[name] = f);

const clients = {
  openai: (more) => new ChatOpenAI({ model: MODEL, apiKey: KEY, maxRetries: 0, timeout: 20_000, configuration: { baseURL: GATEWAY + '/v1' }, ...more }),
  responses: (more) => new ChatOpenAI({ model: MODEL, apiKey: KEY, maxRetries: 0, timeout: 20_000, useResponsesApi: true, configuration: { baseURL: GATEWAY + '/v1' }, ...more }),
  anthropic: (more) => new ChatAnthropic({ model: MODEL, apiKey: KEY, maxRetries: 0, maxTokens: 1000, anthropicApiUrl: GATEWAY, ...more }),
};

const say = (text) => [new SystemMessage('Be brief.'), new HumanMessage(text)];
const whole = (llm, messages) => llm.invoke(messages);
async function streamed(llm, messages) {
  let message, chunks = 0;
  for await (const chunk of await llm.stream(messages)) {
    message = message ? message.concat(chunk) : chunk;
    chunks++;
  }
  assert.ok(chunks > 2, `${chunks} chunks`);
  return message;
}

// Of Anthropic's streams LangChain takes the input from the first event, which is an
// estimate where the upstream tells it last, and adds the output of first and last.
function checkUsage(m, estimated) {
  const u = m.usage_metadata;
  if (estimated) {
    assert.ok(u.input_tokens > 0 && u.output_tokens >= 10 && u.output_tokens <= 11, JSON.stringify(u));
    return;
  }
  assert.deepEqual([u.input_tokens, u.output_tokens, u.input_token_details.cache_read], [20, 10, 5]);
}

async function loop(llm, send, text, rounds, calls) {
  const estimated = llm instanceof ChatAnthropic && send === streamed;
  const bound = llm.bindTools(tools), messages = say(text);
  for (let i = 0; i < rounds; i++) {
    const m = await send(bound, messages);
    checkUsage(m, estimated);
    assert.equal(m.tool_calls.length, calls);
    messages.push(m);
    for (const call of m.tool_calls) messages.push(await tools.find((t) => t.name === call.name).invoke(call));
  }
  const m = await send(bound, messages);
  assert.equal(m.tool_calls.length, 0);
  return m.text;
}

for (const [name, make] of Object.entries(clients)) {
  scenario(`${name}_chat`, async () => {
    const m = await whole(make(), say('Hello'));
    assert.equal(m.text, greeting(1, 'Hello'));
    checkUsage(m);
  });
  scenario(`${name}_stream`, async () => {
    const m = await streamed(make(), say('Hello'));
    assert.equal(m.text, greeting(1, 'Hello'));
    checkUsage(m, name === 'anthropic');
  });
  scenario(`${name}_tool_loop`, async () => assert.equal(await loop(make(), whole, '#steps', 2, 1), STEPS));
  scenario(`${name}_tool_loop_streamed`, async () => assert.equal(await loop(make(), streamed, '#steps', 2, 1), STEPS));
  scenario(`${name}_parallel_tools`, async () => {
    assert.equal(await loop(make(), whole, '#parallel', 1, 2), BOTH);
    assert.equal(await loop(make(), streamed, '#parallel', 1, 2), BOTH);
  });
}

scenario('embeddings', async () => {
  const e = new OpenAIEmbeddings({ model: 'demo-embedding', apiKey: KEY, maxRetries: 0, configuration: { baseURL: GATEWAY + '/v1' } });
  const [near, far] = await e.embedDocuments(['the blue sky', 'a cup of tea']);
  const asked = await e.embedQuery('sky, blue');
  const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
  assert.equal(near.length, 256);
  assert.ok(dot(asked, near) > dot(asked, far));
});

await run(scenarios);
