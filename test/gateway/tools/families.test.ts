import assert from 'node:assert/strict';
import { test } from 'node:test';
import { QvacError } from '../../../src/errors.ts';
import { createFamilyFinder } from '../../../src/gateway/answer/family-finder.ts';
import type { ToolFamily } from '../../../src/gateway/tools/families.ts';
import type { ModelId } from '../../../src/lib/types.ts';
import { createPromptRenderer } from '../../../src/model/text/prompt.ts';
import { ControlTexts } from '../../../src/protocol/input/control-text.ts';
import type { Input } from '../../../src/protocol/messages.ts';

const model = 'ab'.repeat(32) as ModelId;
const name = '{{ call.function.name }}';
const args = '{{ call.function.arguments | tojson }}';
/** How templates of each family write a call. */
const written: Readonly<Record<string, readonly [ToolFamily, string]>> = {
  Qwen3: ['hermes', `<tool_call>\n{"name": "${name}", "arguments": ${args}}\n</tool_call>`],
  'Qwen3-Coder': [
    'qwen3-coder',
    `<tool_call>\n<function=${name}>\n{% for key, value in call.function.arguments.items() %}<parameter={{ key }}>\n` +
      '{{ value }}\n</parameter>\n{% endfor %}</function>\n</tool_call>',
  ],
  'Llama 3': ['llama3', `{"name": "${name}", "parameters": ${args}}`],
  'Mistral Nemo': ['mistral', `[TOOL_CALLS][{"name": "${name}", "arguments": ${args}, "id": "{{ call.id }}"}]`],
  'Mistral Small': ['mistral', `[TOOL_CALLS]${name}[ARGS]${args}`],
  Gemma: ['gemma', `<|tool_call>call:${name}{text:<|"|>{{ call.function.arguments.text }}<|"|>}<tool_call|>`],
  LFM2: ['lfm2', `<|tool_call_start|>[${name}(text="{{ call.function.arguments.text }}")]<|tool_call_end|>`],
  'gpt-oss': ['gpt-oss', `<|start|>assistant to=functions.${name}<|channel|>commentary json<|message|>${args}<|call|>`],
  another: ['auto', `CALL ${name} WITH ${args}`],
};

/** Shows the tools first, with the words that other families use, as many templates do in their instructions. */
function templateOf(call: string): string {
  return [
    '{% for tool in tools %}{{ tool | tojson }}{% endfor %} Write <tool_call>{"name": ...} or [TOOL_CALLS].',
    `{% for message in messages %}{{ message.content }}{% for call in message.tool_calls %}${call}{% endfor %}`,
    '{% endfor %}',
  ].join('');
}

function rendered(template: string, input: Input): string {
  const facts = { bosToken: undefined, eosToken: undefined, controlTexts: new ControlTexts([]) };
  return createPromptRenderer({ template, ...facts })
    .render(input)
    .join('');
}

test('a template’s own rendering of a call shows its family', async () => {
  for (const [what, [family, call]] of Object.entries(written)) {
    let renderings = 0;
    const finder = createFamilyFinder({
      verifier: {
        renderPrompt: async (_model, input) => {
          renderings++;
          return rendered(templateOf(call), input);
        },
      },
    });
    assert.equal(await finder.of(model), family, what);
    assert.equal(await finder.of(model), family);
    assert.equal(renderings, 1);
  }
});

test('a model that is not here, or takes no calls, shows no family', async () => {
  const absent = createFamilyFinder({ verifier: { renderPrompt: async () => null } });
  assert.equal(await absent.of(model), null);
  const refusing = createFamilyFinder({
    verifier: {
      renderPrompt: async () => {
        throw new QvacError('E_BAD_INPUT', 'no tools');
      },
    },
  });
  assert.equal(await refusing.of(model), 'auto');
});
