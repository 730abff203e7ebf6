import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChatOpenAI } from '@langchain/openai';
import { AIMessage, type AIMessageChunk, createAgent, HumanMessage, ToolMessage, tool } from 'langchain';
import { longChat, place, placeSchema, startTalk, talk, weatherCall } from '../support/client-talk.ts';

const chat = longChat.map(({ role, content }) =>
  role === 'user' ? new HumanMessage(content) : new AIMessage(content),
);
const question = new HumanMessage('Weather in Oslo?');

/** The chunks of a stream as one. */
async function joined(stream: AsyncIterable<AIMessageChunk>): Promise<AIMessageChunk> {
  let whole: AIMessageChunk | null = null;
  for await (const chunk of stream) whole = whole === null ? chunk : whole.concat(chunk);
  return whole ?? assert.fail('no chunk');
}

for (const useResponsesApi of [false, true]) {
  test(`works with LangChain (${useResponsesApi ? 'responses' : 'chat completions'}), streamed or not`, async (context) => {
    const { url, inputs } = await startTalk(context, [...talk, ...talk]);
    // Not `streaming: true`, with which it downloads a tokenizer to count the prompt.
    const model = new ChatOpenAI({
      model: 'scripted/q8_0',
      apiKey: 'none',
      maxRetries: 0,
      useResponsesApi,
      configuration: { baseURL: `${url}/v1` },
    });
    const cities: string[] = [];
    const weather = tool(
      ({ city }: { readonly city: string }) => {
        cities.push(city);
        return 'rain';
      },
      { name: weatherCall.name, description: 'The weather of a city', schema: weatherCall.parameters },
    );
    const formed = model.withStructuredOutput(placeSchema, { name: 'place', method: 'jsonSchema', strict: true });

    const { messages } = await createAgent({ model, tools: [weather] }).invoke({ messages: [question] });
    assert.deepEqual([messages.at(-1)?.text, cities], ['Rain.', ['Oslo']]);
    assert.equal(inputs.at(-1)?.messages.at(-1)?.content, 'rain');
    assert.deepEqual(await formed.invoke('Where?'), JSON.parse(place));
    assert.equal((await model.invoke(chat)).text, 'Fine.');
    assert.deepEqual(inputs.at(-1)?.messages, longChat);

    const equipped = model.bindTools([weather]);
    const calling = await joined(await equipped.stream([question]));
    const [call] = calling.tool_calls ?? [];
    assert.deepEqual([call?.name, call?.args], [weatherCall.name, { city: 'Oslo' }]);
    const result = new ToolMessage({ content: 'rain', tool_call_id: call?.id ?? '' });
    assert.equal((await joined(await equipped.stream([question, calling, result]))).text, 'Rain.');
    assert.equal(inputs.at(-1)?.messages.at(-1)?.content, 'rain');
    const schema = { name: 'place', schema: placeSchema, strict: true };
    const format = { response_format: { type: 'json_schema' as const, json_schema: schema } };
    assert.equal((await joined(await model.withConfig(format).stream('Where?'))).text, place);
    assert.equal((await joined(await model.stream(chat))).text, 'Fine.');
    assert.deepEqual(inputs.at(-1)?.messages, longChat);
  });
}
