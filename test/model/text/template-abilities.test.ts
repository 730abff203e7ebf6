import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openTokenizer } from '../../../src/model/llama.ts';
import { probeTemplate, type TemplateAbilities } from '../../../src/model/text/template-abilities.ts';
import { inputFor, mergeSystem, systemInTurn } from '../../../src/protocol/input/system-in-turn.ts';
import { chat, inputOf } from '../../support/models/inputs.ts';
import { type TestModel, testModel, tinyModel, writeTestModel } from '../../support/models.ts';

async function abilitiesOf(model: TestModel): Promise<TemplateAbilities> {
  const tokenizer = await openTokenizer({ modelPath: model.path, modelId: model.id });
  try {
    return probeTemplate(tokenizer);
  } finally {
    await tokenizer.dispose();
  }
}

async function abilities(template: string | null): Promise<TemplateAbilities> {
  return await abilitiesOf(await writeTestModel('tiny-abilities', { template }));
}

const nothing: TemplateAbilities = {
  chat: false,
  system: 'nowhere',
  developer: false,
  tools: false,
  prefill: false,
  needsDate: false,
  gaps: false,
};
const turns = '{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}';

describe('what a chat template can do', () => {
  it('is found of real ones', async () => {
    const plain: TemplateAbilities = { ...nothing, chat: true, system: 'message', developer: true, prefill: true };
    assert.deepEqual(await abilitiesOf(await testModel('q4_1')), plain);
    assert.deepEqual(await abilitiesOf(await tinyModel()), plain);
  });

  it('is nothing without a template, or with one that fails', async () => {
    assert.deepEqual(await abilities(null), nothing);
    assert.deepEqual(await abilities('{% broken'), nothing);
    assert.deepEqual(await abilities('the same for all'), nothing);
  });

  it('tells a template that refuses a system message, or leaves it out', async () => {
    const refuses = `{% if messages[0].role == "system" %}{{ raise_exception("no system role") }}{% endif %}${turns}`;
    const leavesOut = '{% for m in messages if m.role != "system" %}[{{ m.role }}]{{ m.content }}{% endfor %}';
    for (const template of [refuses, leavesOut]) {
      const { chat: takesTurns, system } = await abilities(template);
      assert.deepEqual([takesTurns, system], [true, 'first turn']);
    }
  });

  it('tells a template that takes one turn alone', async () => {
    const { chat: takesTurns, system } = await abilities('{{ messages[-1].content }}');
    assert.deepEqual([takesTurns, system], [false, 'nowhere']);
  });

  it('tells tools, and a template that shows them but not their calls', async () => {
    const calls = '{% for m in messages %}{{ m.content }}{{ m.tool_calls | default([]) | tojson }}{% endfor %}';
    assert.equal((await abilities(`{{ tools | default([]) | tojson }}${calls}`)).tools, true);
    assert.equal((await abilities(`{{ tools | default([]) | tojson }}${turns}`)).tools, false);
    assert.equal((await abilities(calls)).tools, false);
  });

  it('tells a template that needs a date, and one that does without', async () => {
    const dated = `{{ strftime_now("%d %b %Y") }}${turns}`;
    const both = `{% if strftime_now is defined %}${dated}{% else %}${turns}{% endif %}`;
    const [needs, can] = [await abilities(dated), await abilities(both)];
    assert.deepEqual([needs.chat, needs.system, needs.needsDate], [true, 'message', true]);
    assert.deepEqual([can.chat, can.needsDate], [true, false]);
  });

  it('tells a template that cannot go on with an answer', async () => {
    assert.equal(
      (await abilities(`${turns}{% if not add_generation_prompt %}{{ raise_exception("x") }}{% endif %}`)).prefill,
      false,
    );
  });
});

describe('a system message in the first turn', () => {
  it('stands in front of what the user says', () => {
    const user = { role: 'user', content: 'Hi', name: 'ann' };
    const rest = [
      { role: 'assistant', content: 'Yes' },
      { role: 'user', content: 'And?' },
    ];
    const input = inputOf([
      { role: 'system', content: 'Be brief.' },
      { role: 'developer', content: 'In Latin.' },
      user,
      ...rest,
    ]);
    assert.deepEqual(mergeSystem(input).messages, [{ ...user, content: 'Be brief.\n\nIn Latin.\n\nHi' }, ...rest]);
  });

  it('goes there for a card that says so, and for no other', () => {
    const input = inputOf([
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Hi' },
    ]);
    assert.equal(inputFor({ context: 1, can: ['tools'] }, input), input);
    assert.deepEqual(inputFor({ context: 1, can: [systemInTurn, 'tools'] }, input), mergeSystem(input));
  });

  it('is left where it is if there is none, or no user behind it', () => {
    for (const input of [
      chat('Hi'),
      inputOf([{ role: 'system', content: 'x' }]),
      inputOf([
        { role: 'system', content: 'x' },
        { role: 'assistant', content: 'y' },
      ]),
    ])
      assert.equal(mergeSystem(input), input);
  });
});
