// Anthropic's SDK: reads ANTHROPIC_BASE_URL and ANTHROPIC_API_KEY.
import Anthropic from '@anthropic-ai/sdk';

const client = new Anthropic();
const stream = client.messages.stream({
  model: process.env.MODEL ?? 'demo',
  max_tokens: 300,
  messages: [{ role: 'user', content: 'Say hello in one sentence.' }],
});
stream.on('text', (text) => process.stdout.write(text));
const { usage } = await stream.finalMessage();
console.log(`\n[${usage.input_tokens} in, ${usage.output_tokens} out]`);
