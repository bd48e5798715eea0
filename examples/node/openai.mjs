// OpenAI's SDK: reads OPENAI_BASE_URL and OPENAI_API_KEY.
import OpenAI from 'openai';

const client = new OpenAI();
const stream = await client.chat.completions.create({
  model: process.env.MODEL ?? 'demo',
  messages: [{ role: 'user', content: 'Say hello in one sentence.' }],
  stream: true,
  stream_options: { include_usage: true },
});
for await (const chunk of stream) {
  process.stdout.write(chunk.choices[0]?.delta.content ?? '');
  if (chunk.usage) console.log(`\n[${chunk.usage.prompt_tokens} in, ${chunk.usage.completion_tokens} out]`);
}
