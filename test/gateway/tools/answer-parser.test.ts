import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AnswerParser, type AnswerParserInit } from '../../../src/gateway/tools/answer-parser.ts';
import type { ToolFamily } from '../../../src/gateway/tools/families.ts';
import { type AnswerPart, callsOf, joinedParts, type OfferedTool, textOf } from '../../../src/gateway/tools/parts.ts';
import { SeededRandom } from '../../support/fuzz/random.ts';

const tools: readonly OfferedTool[] = [
  {
    name: 'get_weather',
    parameters: { type: 'object', properties: { city: { type: 'string' }, days: { type: 'integer' } } },
  },
  { name: 'read_file', parameters: null },
  { name: 'read', parameters: null },
];
const settings: AnswerParserInit = { answer: 'a', tail: '', tools, family: 'auto', maxCalls: 128 };

interface Read {
  readonly text: string;
  readonly reasoning: string;
  readonly calls: readonly (readonly [string, unknown])[];
}

/** The parts of `text`, which arrives cut at every place of `cuts`. */
function partsOf(text: string, cuts: readonly number[], init: Partial<AnswerParserInit>): readonly AnswerPart[] {
  const parser = new AnswerParser({ ...settings, ...init });
  const places = [0, ...cuts, text.length];
  const pieces = places.slice(1).map((place, at) => text.slice(places[at], place));
  return joinedParts([...pieces.flatMap((piece) => parser.push(piece)), ...parser.end()]);
}

function read(parts: readonly AnswerPart[]): Read {
  return {
    text: textOf(parts),
    reasoning: textOf(parts, 'reasoning'),
    calls: callsOf(parts).map((call) => [call.name, JSON.parse(call.arguments)]),
  };
}

interface Sample extends Partial<Read> {
  readonly says: string;
  readonly family: ToolFamily;
  readonly answer: string;
  readonly tail?: string;
}

const oslo = ['get_weather', { city: 'Oslo' }] as const;
const weather = '{"name": "get_weather", "arguments": {"city": "Oslo"}}';

const samples: readonly Sample[] = [
  {
    says: 'Qwen3: reasoning, text and two calls, with quotes and brackets in texts',
    family: 'hermes',
    answer:
      '<think>\nI need the weather.\n</think>\n\nLet me look.\n<tool_call>\n{"name": "get_weather", "arguments": ' +
      '{"city": "Oslo \\"}x</tool_call>\\"", "days": [1, {"a": 2}]}}\n</tool_call>\n' +
      '<tool_call>\n{"arguments": {}, "name": "read_file"}\n</tool_call>\n',
    text: 'Let me look.',
    reasoning: 'I need the weather.',
    calls: [
      ['get_weather', { city: 'Oslo "}x</tool_call>"', days: [1, { a: 2 }] }],
      ['read_file', {}],
    ],
  },
  {
    says: 'Hermes without the closing mark, and arguments as a text of JSON',
    family: 'hermes',
    answer: '<tool_call>{"name": "get_weather", "arguments": "{\\"city\\": \\"Oslo\\"}"}',
    calls: [oslo],
  },
  {
    says: 'a list of calls in one mark',
    family: 'hermes',
    answer: `<tool_call>[${weather}, ${weather}]</tool_call>.`,
    text: '.',
    calls: [oslo, oslo],
  },
  {
    says: 'a call inside reasoning that never ends is a call',
    family: 'hermes',
    tail: '<|im_start|>assistant\n<think>\n',
    answer: `I look it up.\n<tool_call>\n${weather}\n</tool_call>\n`,
    reasoning: 'I look it up.',
    calls: [oslo],
  },
  {
    says: 'a call inside reasoning that ends is reasoning',
    family: 'hermes',
    tail: '<think>\n',
    answer: `I could say <tool_call>${weather}</tool_call> or not.\n</think>\n\nNo.`,
    reasoning: `I could say <tool_call>${weather}</tool_call> or not.`,
    text: 'No.',
  },
  {
    says: 'reasoning that the prompt opened',
    family: 'auto',
    tail: 'x<think>',
    answer: 'hm\n</think>\n4',
    reasoning: 'hm',
    text: '4',
  },
  { says: 'reasoning of Magistral', family: 'mistral', answer: '[THINK]hm[/THINK]4', reasoning: 'hm', text: '4' },
  {
    says: 'a mark of reasoning in the middle of a text',
    family: 'auto',
    answer: 'Write <think> first.',
    text: 'Write <think> first.',
  },
  {
    says: 'Llama 3',
    family: 'llama3',
    answer: '{"name": "get_weather", "parameters": {"city": "Oslo"}}',
    calls: [oslo],
  },
  {
    says: 'Llama 3: two calls behind its tag',
    family: 'llama3',
    answer:
      '<|python_tag|>{"name": "get_weather", "parameters": {"city": "Oslo"}}; {"name": "read", "parameters": {"p": "a"}}',
    calls: [oslo, ['read', { p: 'a' }]],
  },
  {
    says: 'Llama 3.1: the tag of a function',
    family: 'llama3',
    answer: '<function=get_weather>{"city": "Oslo"}</function>',
    calls: [oslo],
  },
  {
    says: 'an answer that is JSON',
    family: 'llama3',
    answer: '{"answer": 42, "name": "x"} ',
    text: '{"answer": 42, "name": "x"} ',
  },
  {
    says: 'JSON with the name of no tool',
    family: 'llama3',
    answer: '{"name": "rm", "parameters": {}}',
    text: '{"name": "rm", "parameters": {}}',
  },
  { says: 'JSON behind a text', family: 'llama3', answer: `Call ${weather}`, text: `Call ${weather}` },
  { says: 'bare JSON of another family', family: 'hermes', answer: weather, text: weather },
  {
    says: 'Mistral: a list',
    family: 'mistral',
    answer: `[TOOL_CALLS] [${weather}, {"name": "read_file", "arguments": {"p": 1}, "id": "abcdefghi"}]`,
    calls: [oslo, ['read_file', { p: 1 }]],
  },
  {
    says: 'Mistral: names with arguments',
    family: 'mistral',
    answer: 'I look.[TOOL_CALLS]get_weather[ARGS]{"city": "Oslo"}[TOOL_CALLS]read_file[CALL_ID]abcdefghi[ARGS]{"p": 1}',
    text: 'I look.',
    calls: [oslo, ['read_file', { p: 1 }]],
  },
  {
    says: 'Qwen3-Coder: values by their schema, with a closing tag inside one',
    family: 'qwen3-coder',
    answer:
      'I read it.\n\n<tool_call>\n<function=get_weather>\n<parameter=city>\n12\n</parameter>\n<parameter=days>\n12\n' +
      '</parameter>\n</function>\n</tool_call>\n<tool_call>\n<function=read_file>\n<parameter=text>\nx </parameter> y\n\n' +
      '</parameter>\n<parameter=list>\n[1, "a"]\n</parameter>\n</function>\n</tool_call>',
    text: 'I read it.',
    calls: [
      ['get_weather', { city: '12', days: 12 }],
      ['read_file', { text: 'x </parameter> y\n', list: [1, 'a'] }],
    ],
  },
  {
    says: 'Qwen3-Coder without the outer mark',
    family: 'qwen3-coder',
    answer: '<function=read>\n</function>',
    calls: [['read', {}]],
  },
  {
    says: 'Gemma',
    family: 'gemma',
    answer: '<|tool_call>call:get_weather{city:<|"|>Oslo, "}x"<|"|>,days:-2.5,f:[<|"|>a<|"|>,true,{}]}<tool_call|>',
    calls: [['get_weather', { city: 'Oslo, "}x"', days: -2.5, f: ['a', true, {}] }]],
  },
  {
    says: 'FunctionGemma',
    family: 'gemma',
    answer: '<start_function_call>call:get_weather{city:<escape>Oslo<escape>}<end_function_call>',
    calls: [oslo],
  },
  {
    says: 'LFM2',
    family: 'lfm2',
    answer:
      '<|tool_call_start|>[get_weather(city="Os\'l\\"o", days=[1, -2.0]), read_file(p=\'a\\n)]\', d={"k": True, \'z\': None})]' +
      '<|tool_call_end|>Looking.',
    text: 'Looking.',
    calls: [
      ['get_weather', { city: 'Os\'l"o', days: [1, -2] }],
      ['read_file', { p: 'a\n)]', d: { k: true, z: null } }],
    ],
  },
  { says: 'LFM2 in JSON', family: 'lfm2', answer: `<|tool_call_start|>[${weather}]<|tool_call_end|>`, calls: [oslo] },
  {
    says: 'gpt-oss: channels',
    family: 'gpt-oss',
    answer:
      '<|channel|>analysis<|message|>Need weather.<|end|><|start|>assistant<|channel|>commentary<|message|>I look.<|end|>' +
      '<|start|>assistant<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{"city": "Oslo"}',
    text: 'I look.',
    reasoning: 'Need weather.',
    calls: [oslo],
  },
  {
    says: 'gpt-oss: the recipient first',
    family: 'auto',
    tail: '<|start|>assistant',
    answer: ' to=functions.get_weather<|channel|>commentary json<|message|>{"city":"Oslo"}<|call|>',
    calls: [oslo],
  },
  {
    says: 'gpt-oss: an answer',
    family: 'auto',
    answer: '<|channel|>analysis<|message|>Easy.<|end|><|start|>assistant<|channel|>final<|message|>Four, so <b> 4. ',
    reasoning: 'Easy.',
    text: 'Four, so <b> 4. ',
  },
  {
    says: 'text with the start of marks',
    family: 'auto',
    answer: 'If a < b then <tool is [TOOL a word. ',
    text: 'If a < b then <tool is [TOOL a word. ',
  },
  {
    says: 'a call that is cut off',
    family: 'auto',
    answer: 'So: <tool_call>{"name": "get_weather", "arg',
    text: 'So: <tool_call>{"name": "get_weather", "arg',
  },
  { says: 'a mark without a call', family: 'auto', answer: '<tool_call> is a mark.', text: '<tool_call> is a mark.' },
  {
    says: 'a broken call and a whole one',
    family: 'hermes',
    answer: `<tool_call>{"name": <tool_call>${weather}</tool_call>`,
    text: '<tool_call>{"name":',
    calls: [oslo],
  },
  {
    says: 'a tool whose name begins with that of another',
    family: 'hermes',
    answer: '<tool_call>{"name": "rea", "arguments": {}}',
    text: '<tool_call>{"name": "rea", "arguments": {}}',
  },
  {
    says: 'arguments that are not an object',
    family: 'hermes',
    answer: '<tool_call>{"name": "read", "arguments": [1]}',
    text: '<tool_call>{"name": "read", "arguments": [1]}',
  },
  { says: 'white space alone', family: 'auto', answer: ' \n ', text: ' \n ' },
];

describe('the parser of answers', () => {
  for (const { says, family, answer, tail = '', ...expected } of samples)
    it(`${family}: ${says}, however it is cut`, () => {
      const whole = { text: '', reasoning: '', calls: [], ...expected };
      const init = { family, tail };
      const parts = partsOf(answer, [], init);
      assert.deepEqual(read(parts), whole);
      const everyCharacter = Array.from({ length: answer.length - 1 }, (_, at) => at + 1);
      assert.deepEqual(partsOf(answer, everyCharacter, init), parts);
      const random = new SeededRandom(answer.length);
      for (let round = 0; round < 100; round++) {
        const cuts = everyCharacter.filter(() => random.below(5) === 0);
        assert.deepEqual(partsOf(answer, cuts, init), parts, `cut at ${cuts.join(', ')}`);
      }
      // What a family reads, the parser for all of them reads, too.
      if (!says.includes('another family')) assert.deepEqual(read(partsOf(answer, [], { tail })), whole);
    });

  it('reads an answer that is calls or a form alone, however it is cut', () => {
    const call = `<tool_call>\n${weather}\n</tool_call>`;
    const inside = `{"note":" ${call.replaceAll('"', '\\"')}\n<think>x</think>"} `;
    const answers: readonly (readonly [answer: string, text: string, calls: readonly unknown[]])[] = [
      [`${call}\n${call}`, '', [oslo, oslo]],
      [inside, inside, []],
      [` ${call}`, ` ${call}`, []],
      ['<tool_c', '<tool_c', []],
      ['<tool_call>no call', '<tool_call>no call', []],
      ['', '', []],
    ];
    for (const [answer, text, calls] of answers)
      for (let first = 0; first <= answer.length; first++)
        for (const cuts of [[first], [first, Math.min(answer.length, first + 3)]]) {
          const parts = read(partsOf(answer, cuts, { family: 'hermes', isEither: true }));
          assert.deepEqual(parts, { text, reasoning: '', calls }, `${answer} cut at ${cuts.join(', ')}`);
        }
  });

  it('passes text on as soon as no mark can begin in it', () => {
    const parser = new AnswerParser(settings);
    assert.deepEqual(parser.push('If a <'), [{ kind: 'text', text: 'If a' }]);
    assert.deepEqual(parser.push(' b'), [{ kind: 'text', text: ' < b' }]);
    assert.deepEqual(parser.push(' <tool'), []);
    assert.deepEqual(parser.push('box'), [{ kind: 'text', text: ' <toolbox' }]);
  });

  it('gives each call an id of nine letters and digits, the same ones again', () => {
    const answer = `<tool_call>${weather}${weather}</tool_call>`;
    const ids = callsOf(partsOf(answer, [], {})).map(({ id }) => id);
    assert.equal(new Set(ids).size, 2);
    for (const id of ids) assert.match(id, /^[A-Za-z0-9]{9}$/);
    assert.deepEqual(
      callsOf(partsOf(answer, [20], {})).map(({ id }) => id),
      ids,
    );
    assert.notDeepEqual(
      callsOf(partsOf(answer, [], { answer: 'b' })).map(({ id }) => id),
      ids,
    );
  });

  it('drops the calls after the last one that is wanted', () => {
    const parts = partsOf(`<tool_call>${weather}${weather}</tool_call>`, [], { maxCalls: 1 });
    assert.equal(callsOf(parts).length, 1);
    assert.equal(textOf(parts), '');
  });

  it('reads no calls without tools', () => {
    for (const family of ['auto', 'gpt-oss'] as const)
      assert.equal(
        textOf(partsOf(`<tool_call>${weather}</tool_call>`, [], { tools: [], family })).trim(),
        `<tool_call>${weather}</tool_call>`,
      );
  });

  it('keeps all digits of whole numbers, and keys that are not ordinary', () => {
    const answer = '<tool_call>{"name": "read", "arguments": {"id": 12345678901234567890, "__proto__": 1, "x": 1.0}}';
    const [call] = callsOf(partsOf(answer, [], {}));
    assert.equal(call?.arguments, '{"id":12345678901234567890,"__proto__":1,"x":1}');
  });

  it('reads bombs in time that grows with their length only, and leaves them text', () => {
    const bombs = [
      `<tool_call>${'['.repeat(500_000)}`,
      `<tool_call>{"a":${'{"a":'.repeat(200_000)}`,
      '<tool_call>{"'.repeat(50_000),
      `<tool_call>{"${'<tool_call>{\\"'.repeat(50_000)}`,
      `<tool_call>${' '.repeat(500_000)}x`,
      ' '.repeat(500_000),
      `<function=read><parameter=a>${'</parameter> '.repeat(50_000)}`,
      `<|tool_call>call:read{${'<|"|'.repeat(100_000)}`,
      `<|tool_call_start|>[${'read('.repeat(100_000)}`,
      `<|tool_call_start|>[read(a="${'\\'.repeat(400_001)}")]`,
      `<think>${'<tool_call>'.repeat(50_000)}`,
      `<|channel|>${'a'.repeat(500_000)}`,
      '<'.repeat(200_000),
    ];
    for (const bomb of bombs) {
      const parser = new AnswerParser(settings);
      let length = 0;
      for (let at = 0; at < bomb.length; at += 7)
        for (const part of parser.push(bomb.slice(at, at + 7))) length += part.kind === 'call' ? 0 : part.text.length;
      const rest = parser.end();
      assert.deepEqual(callsOf(rest), [], bomb.slice(0, 40));
      length += textOf(rest).length + textOf(rest, 'reasoning').length;
      assert.ok(
        bomb.startsWith('<think>') || length === bomb.length,
        `${length} of ${bomb.length}: ${bomb.slice(0, 40)}`,
      );
    }
  });
});
