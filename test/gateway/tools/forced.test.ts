import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';
import { createDictatedEngine } from '../../support/dictated-engine.ts';
import { fetchReceipt, startGateway, testDefaults } from '../../support/gateway.ts';

const model = 'scripted/q8_0';
const messages = [{ role: 'user' as const, content: 'Hi' }];
const parameters = {
  type: 'object',
  properties: { unit: { enum: ['celsius'] }, exact: { type: 'boolean' } },
  required: ['unit', 'exact'],
};
const tools = ['set_unit', 'set', 'other'].map((name) => ({
  type: 'function' as const,
  function: { name, parameters },
}));

test('a forced call fits its schema, whatever the model would say, and is verified exactly', async (context) => {
  const engine = createDictatedEngine('No, I will not.');
  const { url } = await startGateway(context, {
    providers: [{ engine, offering: { can: ['tools'] } }],
    here: [engine],
    gateway: { defaults: { ...testDefaults, maxTokens: 400 } },
  });
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 });
  const ask = async (choice: OpenAI.ChatCompletionToolChoiceOption) => {
    const { data, response } = await client.chat.completions
      .create({ model, messages, tools, tool_choice: choice, parallel_tool_calls: false })
      .withResponse();
    const receipt = await fetchReceipt(url, response.headers.get('x-qvac-receipt'));
    assert.equal(receipt.headers.get('x-qvac-verified'), 'exact');
    const [answer] = data.choices;
    assert.deepEqual([answer?.finish_reason, answer?.message.content], ['tool_calls', null]);
    return (answer?.message.tool_calls ?? []).flatMap((call) => (call.type === 'function' ? call.function : []));
  };
  const [any, ...more] = await ask('required');
  assert.equal(more.length, 0);
  assert.ok(tools.some((tool) => tool.function.name === any?.name));
  const fits = JSON.parse(any?.arguments ?? '') as { unit: string; exact: unknown };
  assert.deepEqual([fits.unit, typeof fits.exact], ['celsius', 'boolean']);
  // Its name is the beginning of another's.
  const named = await ask({ type: 'function', function: { name: 'set' } });
  assert.deepEqual(
    named.map(({ name }) => name),
    ['set'],
  );
});

test('a forced call beside another form of the answer, or of a schema that cannot be followed, is refused', async (context) => {
  const { url } = await startGateway(context, { providers: [{ offering: { can: ['tools'] } }] });
  const post = async (body: object): Promise<readonly [number, string]> => {
    const whole = { model, messages, tools, tool_choice: 'required', ...body };
    const response = await fetch(`${url}/v1/chat/completions`, { method: 'POST', body: JSON.stringify(whole) });
    return [response.status, await response.text()];
  };
  const beside = await post({ response_format: { type: 'json_object' } });
  assert.equal(beside[0], 400);
  assert.match(beside[1], /tools with a format of the answer is not supported/);
  const odd = { type: 'function', function: { name: 'f', parameters: { type: 'object', $dynamicRef: '#x' } } };
  const [status, text] = await post({ tools: [odd] });
  assert.equal(status, 400);
  assert.match(text, /\$dynamicRef/);
});
