import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import {
  type CompletionRoute,
  type EmbeddingRoute,
  embeddingFields,
  type FieldRule,
  fieldTable,
} from '../../src/gateway/api/field-table.ts';
import { fieldTableMarkdown, tableEnd, tableStart } from '../support/field-table.ts';
import { startGateway, testToken } from '../support/gateway.ts';
import { createScriptedEmbedder, scriptedDimensions } from '../support/scripted-embedder.ts';
import { createScriptedEngine } from '../support/scripted-engine.ts';

type Route = CompletionRoute | EmbeddingRoute;
const tables: Readonly<Record<Route, readonly FieldRule[]>> = { ...fieldTable, ...embeddingFields };
const routes = Object.keys(tables) as readonly Route[];
const messages = [{ role: 'user', content: 'Hi' }];
const minimal: Readonly<Record<Route, object>> = {
  '/v1/chat/completions': { messages },
  '/v1/completions': { prompt: 'Hi' },
  '/v1/responses': { input: [{ type: 'message', role: 'user', content: 'Hi' }] },
  '/v1/messages': { messages, max_tokens: 4 },
  '/api/chat': { messages },
  '/api/generate': { prompt: 'Hi' },
  '/v1/embeddings': { model: 'scripted-embed', input: 'Hi' },
  '/api/embed': { model: 'scripted-embed', input: 'Hi' },
  '/api/embeddings': { model: 'scripted-embed', prompt: 'Hi' },
};

/** A value for each field that the gateway honours, by the field's last name. */
const honouredValues: Readonly<Record<string, unknown>> = {
  model: 'scripted',
  messages,
  role: 'user',
  content: 'Hi',
  type: 'text',
  text: 'Hi',
  input: 'Hi',
  prompt: 'Hi',
  suffix: 'Hi',
  system: 'Be brief',
  instructions: 'Be brief',
  raw: true,
  max_tokens: 2,
  max_completion_tokens: 2,
  max_output_tokens: 16,
  num_predict: 2,
  temperature: 0,
  top_k: 5,
  min_p: 0.1,
  top_p: 0.9,
  presence_penalty: 0.5,
  frequency_penalty: -0.5,
  logit_bias: { 97: -100 },
  n: 2,
  name: 'Ada',
  reasoning_content: 'Hm.',
  thinking: 'Hm.',
  seed: 7,
  stop: ['END'],
  stop_sequences: ['END'],
  stream: true,
  include_usage: true,
  include: ['reasoning.encrypted_content'],
  logprobs: true,
  top_logprobs: 2,
  reasoning_effort: 'none',
  chat_template_kwargs: { enable_thinking: false },
  effort: 'none',
  think: false,
  keep_alive: '5m',
  provider: null,
  verify: 'none',
  referees: 1,
  max_price: 0,
  pay: 'job',
  max_deposit: 0,
  wallet: null,
  consent: 'page-1',
  response_format: { type: 'json_object' },
  output_format: { type: 'json_schema', schema: { type: 'integer' } },
  grammar: 'root ::= [a-z]+',
  json_schema: { type: 'integer' },
  guided_grammar: 'root ::= [a-z]+',
  guided_json: '{"type":"integer"}',
  guided_regex: '[a-z]+',
  guided_choice: ['yes', 'no'],
  json: { type: 'integer' },
  regex: '[a-z]+',
  choice: ['yes', 'no'],
  tools: [{ type: 'function', function: { name: 'add' } }],
  description: 'adds',
  parameters: { type: 'object' },
  input_schema: { type: 'object' },
  parallel_tool_calls: false,
  tool_choice: 'auto',
  disable_parallel_tool_use: true,
  tool_calls: [{ id: 'c1', type: 'function', function: { name: 'add', arguments: '{}' } }],
  id: 'c1',
  arguments: '{"a": 1}',
  call_id: 'c1',
  tool_call_id: 'c1',
  tool_use_id: 'c1',
  tool_name: 'add',
  output: '1',
  namespace: 'sums',
  syntax: 'regex',
  definition: '[a-z]+',
  encoding_format: 'base64',
  dimensions: scriptedDimensions,
  truncate: true,
};
/** Fields whose value depends on the route or on other fields. */
const special: Readonly<Record<string, unknown>> = {
  '/v1/embeddings model': 'scripted-embed',
  '/api/embed model': 'scripted-embed',
  '/api/embeddings model': 'scripted-embed',
  '/v1/completions logprobs': 2,
  '/v1/responses input[].type': 'message',
  '/v1/messages thinking.type': 'disabled',
  '/v1/messages messages[].content[].type': 'text',
  '/v1/responses text.format': { type: 'json_object' },
  '/v1/messages output_config.format': { type: 'json_schema', schema: { type: 'integer' } },
  '/api/chat format': 'json',
  '/api/generate format': { type: 'integer' },
  '/v1/messages messages[].content[].id': 'c1',
  '/v1/messages messages[].content[].name': 'add',
  '/v1/messages messages[].content[].input': { a: 1 },
  '/v1/messages tool_choice.type': 'auto',
  '/v1/messages tool_choice.name': 'add',
  '/v1/messages tools[].type': 'custom',
  '/v1/messages tools[].name': 'add',
  '/v1/messages tools': [{ name: 'add' }],
  '/v1/chat/completions tools[].type': 'function',
  '/v1/chat/completions tools[].function.name': 'add',
  '/v1/chat/completions tools[].custom.name': 'add',
  '/v1/chat/completions tools[].custom.format.type': 'grammar',
  '/v1/chat/completions messages[].tool_calls[].type': 'function',
  '/v1/chat/completions messages[].tool_calls[].custom.name': 'add',
  '/v1/chat/completions messages[].tool_calls[].function.name': 'add',
  '/v1/responses tools[].type': 'function',
  '/v1/responses tools[].name': 'add',
  '/v1/responses tools': [{ type: 'function', name: 'add' }],
  '/v1/responses tools[].format.type': 'grammar',
  '/v1/responses tools[].tools': [{ type: 'function', name: 'add' }],
  '/v1/responses tools[].tools[].type': 'function',
  '/v1/responses tools[].tools[].name': 'add',
  '/v1/responses tools[].tools[].format.type': 'grammar',
  '/v1/responses input[].name': 'add',
  '/api/chat tools[].type': 'function',
  '/api/chat tools[].function.name': 'add',
  '/api/chat messages[].tool_calls[].function.name': 'add',
};

/** `base` with the field set to `value`; `[]` means the list's first item. */
function withField(base: object, field: string, value: unknown): object {
  const [, head = '', list = '', rest = ''] = /^([^.[]+)(\[\])?\.?(.*)$/.exec(field) ?? [];
  const inner = (base as Readonly<Record<string, unknown>>)[head];
  if (rest === '') return { ...base, [head]: value };
  if (list === '') return { ...base, [head]: withField((inner as object | undefined) ?? {}, rest, value) };
  const part = { type: 'text', text: 'Hi' };
  const first = Array.isArray(inner) ? (inner[0] as object) : part;
  return { ...base, [head]: [withField(first, rest, value)] };
}

/** Fields that other fields need beside them. */
const companions: Readonly<Record<string, object>> = {
  '/v1/chat/completions top_logprobs': { logprobs: true },
  '/v1/messages thinking.display': { thinking: { type: 'adaptive' } },
  '/v1/messages thinking.budget_tokens': { thinking: { type: 'enabled' } },
  '/v1/messages tool_choice.disable_parallel_tool_use': { tool_choice: { type: 'auto' } },
  '/v1/messages tool_choice.name': { tool_choice: { type: 'tool' } },
};

const described = { name: 'add', description: 'adds', parameters: { type: 'object' } };
const chatTools = { tools: [{ type: 'function', function: described }] };
const toolsOf: Readonly<Partial<Record<Route, object>>> = {
  '/v1/chat/completions': chatTools,
  '/v1/responses': { tools: [{ type: 'function', ...described }] },
  '/v1/messages': { tools: [{ name: 'add', input_schema: { type: 'object' } }] },
  '/api/chat': chatTools,
};
const grouped = { type: 'custom', name: 'add', format: { type: 'grammar', syntax: 'lark', definition: 'start: "x"' } };
const textGrammar = { type: 'grammar', syntax: 'lark', definition: 'start: "x"' };
const chatGrammar = { type: 'grammar', grammar: { syntax: 'lark', definition: 'start: "x"' } };
const textCall = { id: 'c1', type: 'custom', custom: { name: 'add', input: '1' } };
const call = { id: 'c1', function: { name: 'add', arguments: {} } };
const block = (role: string, content: object): object => ({ messages: [{ role, content: [content] }, ...messages] });

/** What a field of this name needs around it, the first match. */
const surroundings: readonly (readonly [RegExp, (route: Route) => object])[] = [
  [/^tools\[\]\.custom\b/, () => ({ tools: [{ type: 'custom', custom: { name: 'add', format: chatGrammar } }] })],
  [/^tools\[\]\.tools\[\]\.format\b/, () => ({ tools: [{ type: 'namespace', name: 'sums', tools: [grouped] }] })],
  [
    /^tools\[\]\.tools\b/,
    () => ({ tools: [{ type: 'namespace', name: 'sums', tools: [{ type: 'function', ...described }] }] }),
  ],
  [/^tools\[\]\.format\b/, () => ({ tools: [{ type: 'custom', name: 'add', format: textGrammar }] })],
  [
    /^messages\[\]\.tool_calls\[\]\.custom\b/,
    () => ({ messages: [{ role: 'assistant', tool_calls: [textCall] }, ...messages] }),
  ],
  [/^input\[\]\.input$/, () => ({ input: [{ type: 'custom_tool_call', name: 'add', call_id: 'c1' }] })],
  [/^tools\b|^tool_choice\b|^parallel_tool_calls$/, (route) => toolsOf[route] ?? {}],
  [/^messages\[\]\.tool_calls/, () => ({ messages: [{ role: 'assistant', tool_calls: [call] }, ...messages] })],
  [/^messages\[\]\.tool_(call_id|name)$/, () => ({ messages: [{ role: 'tool', content: '1' }, ...messages] })],
  [/\.content\[\]\.(thinking|signature)$/, () => block('assistant', { type: 'thinking', thinking: 'Hm.' })],
  [
    /\.content\[\]\.(id|name|input|caller)$/,
    () => block('assistant', { type: 'tool_use', id: 'c1', name: 'add', input: {} }),
  ],
  [
    /\.content\[\]\.(tool_use_id|is_error|content\b.*)$/,
    () => block('user', { type: 'tool_result', tool_use_id: 'c1', content: [{ type: 'text', text: '1' }] }),
  ],
  [
    /^input\[\]\.(call_id|name|namespace|arguments)$/,
    () => ({ input: [{ type: 'function_call', name: 'add', call_id: 'c1' }] }),
  ],
  [/^input\[\]\.output$/, () => ({ input: [{ type: 'function_call_output', call_id: 'c1' }] })],
];

function bodyFor(route: Route, { field }: FieldRule, value: unknown): object {
  const around = surroundings.find(([name]) => name.test(field))?.[1](route) ?? {};
  const base = { model: 'scripted', ...minimal[route], ...around, ...companions[`${route} ${field}`] };
  return withField(base, field, value);
}

test('treats every field as the table says', async (context) => {
  const { url } = await startGateway(context, {
    providers: [
      {
        provider: { burst: 10_000 },
        script: { stopAfter: 3, slots: 8, queue: 64 },
        offering: { can: ['fim', 'tools'] },
      },
      { provider: { burst: 10_000 }, engine: createScriptedEmbedder() },
    ],
    here: [createScriptedEngine({ stopAfter: 3 })],
    gateway: { limits: { rate: { burst: 10_000 } } },
  });
  const send = async (route: Route, body: object): Promise<readonly [number, string]> => {
    const response = await fetch(`${url}${route}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${testToken}` },
      body: JSON.stringify(body),
    });
    return [response.status, await response.text()];
  };
  for (const route of routes) {
    for (const rule of tables[route]) {
      const { field, treatment, accepts } = rule;
      const what = `${route} ${field}`;
      if (treatment === 'refused') {
        for (const accepted of accepts) {
          const [status, text] = await send(route, bodyFor(route, rule, accepted));
          assert.equal(status, 200, `${what} ${JSON.stringify(accepted)}: ${text}`);
        }
        const [status, text] = await send(route, bodyFor(route, rule, { unusual: 1 }));
        assert.equal(status, 400, what);
        const named = field.replaceAll('[]', '[0]');
        assert.ok(text.includes(named) || text.includes(named.split('.')[0] ?? named), `${what}: ${text}`);
        continue;
      }
      const known = special[what] ?? honouredValues[/[^.\]]+$/.exec(field)?.[0] ?? ''];
      if (treatment !== 'ignored') assert.notEqual(known, undefined, `${what} needs a value in this test`);
      const [status, text] = await send(
        route,
        bodyFor(route, rule, treatment === 'ignored' ? ignoredValue(field) : known),
      );
      assert.equal(status, 200, `${what}: ${text}`);
    }
  }
});

/** Text where the gateway reads the field for later use, anything elsewhere. */
function ignoredValue(field: string): unknown {
  return /\.(name|thinking|reasoning_content)$/.test(field) ? 'x' : { anything: [1] };
}

test('docs/gateway.md holds this table', async () => {
  const path = new URL('../../docs/gateway.md', import.meta.url);
  const page = await readFile(path, 'utf8');
  const [before, rest = ''] = page.split(tableStart);
  const [, after] = rest.split(tableEnd);
  const written = `${before}${tableStart}\n\n${fieldTableMarkdown()}\n\n${tableEnd}${after}`;
  if (process.env.UPDATE_DOCS === '1') await writeFile(path, written);
  else assert.equal(page, written, 'run this test with UPDATE_DOCS=1 to renew the table');
});
