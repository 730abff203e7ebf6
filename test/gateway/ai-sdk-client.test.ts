import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import {
  generateText,
  jsonSchema,
  type LanguageModel,
  type ModelMessage,
  Output,
  stepCountIs,
  streamText,
  tool,
} from 'ai';
import type { Input } from '../../src/protocol/messages.ts';
import { longChat, place, placeSchema, startTalk, talk, weatherCall } from '../support/client-talk.ts';

const name = 'scripted/q8_0';

/** The models that Vercel's AI SDK makes of one gateway. */
const kinds: Readonly<Record<string, (baseURL: string) => LanguageModel>> = {
  'openai-compatible': (baseURL) =>
    createOpenAICompatible({ name: 'qvac', baseURL, supportsStructuredOutputs: true, includeUsage: true })(name),
  'openai, chat': (baseURL) => createOpenAI({ baseURL, apiKey: 'none' }).chat(name),
  'openai, responses': (baseURL) => createOpenAI({ baseURL, apiKey: 'none' })(name),
};

interface Asked {
  readonly messages: ModelMessage[];
  readonly withTool?: boolean;
  readonly withForm?: boolean;
}

/** One question, streamed or not: the text, the object of the form, and what the tool was called with. */
async function ask(
  model: LanguageModel,
  { messages, withTool = false, withForm = false }: Asked,
  isStreamed: boolean,
): Promise<{
  readonly text: string;
  readonly object: unknown;
  readonly cities: readonly string[];
  readonly tokens: number;
}> {
  const cities: string[] = [];
  const weather = tool({
    description: 'The weather of a city',
    inputSchema: jsonSchema<{ city: string }>(weatherCall.parameters),
    execute: async ({ city }) => {
      cities.push(city);
      return 'rain';
    },
  });
  const settings = {
    model,
    messages,
    maxRetries: 0,
    stopWhen: stepCountIs(3),
    ...(withTool ? { tools: { [weatherCall.name]: weather } } : {}),
    ...(withForm ? { output: Output.object({ schema: jsonSchema(placeSchema) }) } : {}),
  };
  if (!isStreamed) {
    const result = await generateText(settings);
    return {
      text: result.text,
      object: withForm ? result.output : null,
      cities,
      tokens: result.usage.outputTokens ?? 0,
    };
  }
  const result = streamText({ ...settings, onError: ({ error }) => assert.ifError(error) });
  const text = await result.text;
  return {
    text,
    object: withForm ? await result.output : null,
    cities,
    tokens: (await result.usage).outputTokens ?? 0,
  };
}

const user = (content: string): ModelMessage => ({ role: 'user', content });

for (const [kind, modelOf] of Object.entries(kinds)) {
  test(`works with Vercel’s AI SDK (${kind}): streamed or not`, async (context: TestContext) => {
    const { url, inputs } = await startTalk(context, [...talk, ...talk]);
    const model = modelOf(`${url}/v1`);
    const last = (): Input => inputs.at(-1) ?? assert.fail();
    for (const isStreamed of [false, true]) {
      const called = await ask(model, { messages: [user('Weather in Oslo?')], withTool: true }, isStreamed);
      assert.deepEqual([called.text, called.cities], ['Rain.', ['Oslo']]);
      assert.equal(last().messages.at(-1)?.content, 'rain');
      const formed = await ask(model, { messages: [user('Where?')], withForm: true }, isStreamed);
      assert.deepEqual(formed.object, JSON.parse(place));
      const chat = await ask(model, { messages: longChat as ModelMessage[] }, isStreamed);
      assert.equal(chat.text, 'Fine.');
      assert.ok(chat.tokens > 0);
      assert.deepEqual(last().messages, longChat);
    }
  });
}
