// What the Node client scripts share: settings, tools, and reporting.

import assert from 'node:assert/strict';

export const { GATEWAY, KEY, FORMAT, MODEL, THINKER, LIMITED, BROKEN, CUT } = process.env;

export const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
export const SAW = 'I see image/png 70';
export const greeting = (turns, last) => `Grüezi 👋 sys=Be brief. turns=${turns} last=${last}`;

export const WEATHER = {
  type: 'object',
  properties: { city: { type: 'string' }, days: { type: 'integer' } },
  required: ['city', 'days'],
  additionalProperties: false,
};
export const NOTHING = { type: 'object', properties: {}, required: [], additionalProperties: false };

// The tools, for real: the model's answer quotes what they return.
export function use(name, args) {
  if (name === 'get_weather') return `${args.days * 10} °C in ${args.city}`;
  assert.equal(name, 'get_time');
  assert.deepEqual(args, {});
  return '12:00';
}

export const ZURICH = 'The tools said: 20 °C in Zürich "ZH"';
export const BOTH = 'The tools said: 10 °C in Paris | 30 °C in Oslo';
export const CLOCK = 'The tools said: 12:00';
export const STEPS = 'The tools said: 20 °C in Zürich "ZH" | 12:00';

// Runs f, which must throw, and returns what it threw.
export async function raised(f) {
  try {
    await f();
  } catch (e) {
    return e;
  }
  throw new assert.AssertionError({ message: 'nothing was thrown' });
}

export async function run(scenarios) {
  for (const [scenario, f] of Object.entries(scenarios)) {
    let error = null;
    try {
      await f();
    } catch (e) {
      error = `${e?.stack ?? e}`.split('\n').filter((l) => !l.includes('node:internal') && !l.includes('node_modules')).slice(0, 30).join('\n');
    }
    console.log(JSON.stringify({ scenario, error }));
  }
}
