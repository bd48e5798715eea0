// Vercel's AI SDK, whose provider for OpenAI-compatible servers takes the address.
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { streamText } from 'ai';

const gateway = createOpenAICompatible({
  name: 'ai-gateway',
  baseURL: process.env.OPENAI_BASE_URL,
  apiKey: process.env.OPENAI_API_KEY,
  includeUsage: true,
});
const result = streamText({
  model: gateway(process.env.MODEL ?? 'demo'),
  prompt: 'Say hello in one sentence.',
  onError: ({ error }) => { throw error; },
});
for await (const text of result.textStream) process.stdout.write(text);
const usage = await result.usage;
console.log(`\n[${usage.inputTokens} in, ${usage.outputTokens} out]`);
