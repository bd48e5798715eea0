// Google's SDK: reads GOOGLE_GEMINI_BASE_URL; the key is given by hand.
import { GoogleGenAI } from '@google/genai';

const client = new GoogleGenAI({ apiKey: process.env.GEMINI_API_KEY });
const stream = await client.models.generateContentStream({
  model: process.env.MODEL ?? 'demo',
  contents: 'Say hello in one sentence.',
});
let usage;
for await (const chunk of stream) {
  process.stdout.write(chunk.text ?? '');
  usage = chunk.usageMetadata ?? usage;
}
console.log(`\n[${usage.promptTokenCount} in, ${usage.candidatesTokenCount} out]`);
