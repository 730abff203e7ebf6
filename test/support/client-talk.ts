import type { TestContext } from 'node:test';
import type { Input } from '../../src/protocol/messages.ts';
import { createDictatedEngine } from './dictated-engine.ts';
import { startGateway, testDefaults } from './gateway.ts';
import { notingEngine } from './noting-engine.ts';

/** A call of the only tool, as a model writes it. */
export const weatherCall = {
  name: 'get_weather',
  parameters: {
    type: 'object' as const,
    properties: { city: { type: 'string' as const } },
    required: ['city'],
    additionalProperties: false,
  },
  text: '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Oslo"}}\n</tool_call>',
};

/** A text of `placeSchema`. */
export const place = '{"name":"Oslo","people":717710}';
export const placeSchema = {
  type: 'object' as const,
  properties: { name: { type: 'string' as const }, people: { type: 'integer' as const } },
  required: ['name', 'people'],
  additionalProperties: false,
};

/** What the model says: it calls the tool, tells the result, gives an object, and goes on with a long chat. */
export const talk: readonly string[] = [weatherCall.text, 'Rain.', place, 'Fine.'];

/** Sixty turns. */
export const longChat: readonly { readonly role: 'user' | 'assistant'; readonly content: string }[] = Array.from(
  { length: 61 },
  (_, at) => ({ role: at % 2 === 0 ? 'user' : 'assistant', content: `Turn ${at}: ${'so it goes '.repeat(3).trim()}` }),
);

/** A gateway whose model answers with these texts in turn, and the inputs that it got. */
export async function startTalk(
  context: TestContext,
  answers: readonly string[],
): Promise<{ readonly url: string; readonly inputs: readonly Input[] }> {
  const { engine, inputs } = notingEngine(createDictatedEngine(answers, { context: 8_192 }));
  const { url } = await startGateway(context, {
    providers: [{ engine, offering: { can: ['tools'] } }],
    gateway: { defaults: { ...testDefaults, maxTokens: 400 } },
  });
  return { url, inputs };
}
