import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { decodeOffer } from '../../src/protocol/validate.ts';
import { runProgram, startProgram } from '../support/binary.ts';
import { cutAt } from '../support/cheats/transcripts.ts';
import { createDictatedEngine } from '../support/dictated-engine.ts';
import { createGate } from '../support/gate.ts';
import { temporaryHome } from '../support/home.ts';
import { root } from '../support/imports.ts';
import { startProvider } from '../support/market.ts';

const script = join(root, 'src', 'main.ts');
const network = ['--private', 'test', '--no-mdns'];

interface AskJson {
  readonly answer: string;
  readonly finish: number | null;
  readonly verification: { readonly result: string; readonly faults: readonly string[] };
  readonly receipt: string | null;
  readonly timing: object;
  readonly cost: number;
}

test('only the answer goes to stdout; stderr starts with the recipient of the prompt and ends with the trust line', async (context) => {
  const provider = await startProvider(context);
  const home = await temporaryHome(context);
  const { code, stdout, stderr } = await runProgram(
    ['ask', ...network, '--provider', provider.address, '--max-tokens', '20', 'hello'],
    { home, script },
  );
  assert.equal(code, 0, stderr);
  const text = stdout.replace(/\n$/, '');
  assert.equal(text.length > 0 && !/12D3KooW|receipt/.test(text), true);
  const lines = stderr.trimEnd().split('\n');
  assert.equal(lines[0], `→ provider ${provider.peer.id} · scripted q8_0 · free · sees your prompt`);
  assert.match(
    lines.at(-1) ?? '',
    /^✓ 20 tokens · .*scripted q8_0 · checked: sampling 16\/20 \(.*\) · receipt [0-9a-f]{4}…[0-9a-f]{2}$/,
  );
  assert.equal((await readdir(join(home, 'receipts'))).filter((name) => name.endsWith('.json')).length, 1);
});

test('standard input is put before the prompt', async (context) => {
  const provider = await startProvider(context);
  const { code } = await runProgram(
    ['ask', ...network, '--provider', provider.address, '--max-tokens', '4', 'what is this?'],
    { home: await temporaryHome(context), script, input: 'some text\n' },
  );
  assert.equal(code, 0);
  const [receipt] = provider.receipts.values();
  assert.deepEqual(receipt?.input?.messages, [{ role: 'user', content: 'some text\n\nwhat is this?' }]);
});

test('--stop ends the answer before its text; the receipt keeps it', async (context) => {
  const provider = await startProvider(context, { engine: createDictatedEngine('one two three four') });
  const home = await temporaryHome(context);
  const args = ['ask', ...network, '--provider', provider.address, '--stop', 'three', '--stop', 'never', 'count'];
  const { code, stdout, stderr } = await runProgram(args, { home, script });
  assert.equal(code, 0, stderr);
  assert.equal(stdout.replace(/\n$/, ''), 'one two ');
  const [receipt] = provider.receipts.values();
  assert.equal(receipt?.text, 'one two three');
  const asJson = await runProgram([...args, '--json'], { home, script });
  assert.equal((JSON.parse(asJson.stdout) as AskJson).answer, 'one two ');
  assert.equal((JSON.parse(asJson.stdout) as AskJson).finish, 5);
  const empty = await runProgram(['ask', ...network, '--stop', '', 'count'], { home, script });
  assert.equal(empty.code, 2);
  assert.match(empty.stderr, /--stop: expected a text/);
});

test('--json-schema, --grammar and --regex give the answer its form', async (context) => {
  const provider = await startProvider(context);
  const home = await temporaryHome(context);
  const write = async (name: string, content: string): Promise<string> => {
    await writeFile(join(home, name), content);
    return join(home, name);
  };
  const schema = await write('schema.json', '{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}');
  const grammar = await write('grammar.gbnf', 'root ::= "yes, " [a-z]{3} | "no"');
  const unknown = await write('unknown.json', '{"type":"object","if":{}}');
  const broken = await write('broken.json', '{');
  const ask = (...options: readonly string[]) =>
    runProgram(['ask', ...network, '--provider', provider.address, ...options, 'how many?'], { home, script });
  const forms: readonly (readonly [option: string, value: string, form: RegExp])[] = [
    ['--json-schema', schema, /^\{[\s]*"n"\s*:\s*-?\d+\s*\}\n?$/],
    ['--grammar', grammar, /^(yes, [a-z]{3}|no)\n?$/],
    ['--regex', '\\d{3}-\\d{4}', /^\d{3}-\d{4}\n?$/],
  ];
  for (const [option, value, form] of forms) {
    const { code, stdout, stderr } = await ask(option, value);
    assert.equal(code, 0, stderr);
    assert.match(stdout, form, option);
  }
  const refusals: readonly (readonly [options: readonly string[], why: RegExp])[] = [
    [['--json-schema', unknown], /--json-schema: the schema asks for what is not supported: "if" \(at #\)/],
    [['--json-schema', broken], /--json-schema: .*broken\.json is not JSON/],
    [['--json-schema', join(home, 'none')], /--json-schema: cannot read .*none/],
    [['--grammar', schema], /--grammar: the grammar, line 1: expected the name of a rule/],
    [['--regex', '(?=a)'], /--regex: the pattern has "\(\?=" at 0, which is not supported/],
    [['--regex', 'a', '--grammar', grammar], /one form only/],
  ];
  for (const [options, why] of refusals) {
    const { code, stderr } = await ask(...options);
    assert.equal(code, 2, stderr);
    assert.match(stderr, why);
  }
});

test('--system, --temperature, --max-tokens and --seed reach the offer', async (context) => {
  const provider = await startProvider(context);
  const home = await temporaryHome(context);
  const args = [
    'ask',
    ...network,
    '--provider',
    provider.address,
    '--system',
    'be brief',
    '--temperature',
    '0.35',
    '--top-k',
    '5',
    '--min-p',
    '0.1',
    '--top-p',
    '0.9',
    '--max-tokens',
    '7',
    '--seed',
    '7',
    '--json',
    'hello',
  ];
  const [first, second] = [await runProgram(args, { home, script }), await runProgram(args, { home, script })];
  assert.equal(first.code, 0, first.stderr);
  assert.equal((JSON.parse(first.stdout) as AskJson).answer, (JSON.parse(second.stdout) as AskJson).answer);
  const [receipt] = provider.receipts.values();
  assert.equal(receipt?.input?.messages[0]?.content, 'be brief');
  assert.equal(receipt?.tokens.length, 7);
  const { temperature, topK, minP, topP } = decodeOffer(receipt?.offer.body ?? new Uint8Array()).sampler;
  assert.deepEqual([temperature, topK, minP, topP], [35, 5, 10, 90]);
});

test('--json prints one object of a fixed shape', async (context) => {
  const provider = await startProvider(context);
  const { code, stdout, stderr } = await runProgram(
    ['ask', ...network, '--provider', provider.address, '--max-tokens', '5', '--json', 'hello'],
    { home: await temporaryHome(context), script },
  );
  assert.equal(code, 0, stderr);
  const value = JSON.parse(stdout) as AskJson;
  assert.deepEqual(Object.keys(value), [
    'answer',
    'finish',
    'tokens',
    'provider',
    'router',
    'model',
    'verification',
    'receipt',
    'timing',
    'cost',
  ]);
  assert.deepEqual(Object.keys(value.verification), [
    'result',
    'tier',
    'count',
    'meanTv',
    'maxTv',
    'rmsDq',
    'meanMiss',
    'faults',
  ]);
  assert.deepEqual(Object.keys(value.timing), ['firstTokenMs', 'totalMs', 'tokensPerSecond']);
  assert.equal(value.cost, 0);
});

test('a cheat is reported with its fault and what the check shows and does not show, and the exit code is 6', async (context) => {
  const provider = await startProvider(context, { createTranscript: cutAt(5) });
  const { code, stderr } = await runProgram(['ask', ...network, '--provider', provider.address, 'hello'], {
    home: await temporaryHome(context),
    script,
  });
  assert.equal(code, 6, stderr);
  assert.match(stderr, /check failed: bad-length · provider 12D3KooW/);
  assert.match(stderr, /shown: /);
  assert.match(stderr, /not shown: /);
  assert.match(stderr.trimEnd().split('\n').at(-1) ?? '', /^✗ .*bad-length/);
  assert.doesNotMatch(stderr, /verified|checked: /);
});

test('a fault in the middle of an answer exits with 6 and leaves no receipt, also with --json', async (context) => {
  const provider = await startProvider(context, { createTranscript: cutAt(200) });
  const { code, stdout, stderr } = await runProgram(
    ['ask', ...network, '--provider', provider.address, '--max-tokens', '40', '--json', 'hello'],
    { home: await temporaryHome(context), script },
  );
  assert.equal(code, 6, stderr);
  const value = JSON.parse(stdout) as AskJson;
  assert.deepEqual([value.finish, value.receipt, value.verification.faults], [null, null, ['bad-length']]);
  assert.match(stderr, /no receipt/);
});

test('an explicit full check that is impossible exits with 6; by default less is enough', async (context) => {
  const provider = await startProvider(context);
  const home = await temporaryHome(context);
  const args = ['ask', ...network, '--provider', provider.address, '--max-tokens', '5', 'hello'];
  assert.equal((await runProgram(args, { home, script })).code, 0);
  assert.equal((await runProgram([...args, '--verify', 'full'], { home, script })).code, 6);
  assert.equal((await runProgram([...args, '--verify', 'none'], { home, script })).code, 0);
});

test('Ctrl-C prints a line at once, settles what was delivered, and exits with 130', async (context) => {
  const gate = createGate(8);
  const provider = await startProvider(context, { script: { beforeStep: gate.beforeStep } });
  const home = await temporaryHome(context);
  const child = startProgram(['ask', ...network, '--provider', provider.address, 'hello'], { home, script });
  child.stdin.end();
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const closed = new Promise<number | null>((resolve) => child.on('close', resolve));
  const streaming = new Promise((resolve) => child.stdout.once('data', resolve));
  await Promise.all([gate.reached, streaming]);
  child.kill('SIGINT');
  assert.equal(await closed, 130, stderr);
  assert.match(stderr, /stopping/);
  assert.match(stderr.trimEnd().split('\n').at(-1) ?? '', /receipt/);
  assert.equal((await provider.events.until('job-finished')).finish, 2);
});

test('mistakes print one line and exit with the right code', async (context) => {
  const provider = await startProvider(context);
  const home = await temporaryHome(context);
  const cases: readonly (readonly [args: readonly string[], code: number])[] = [
    [['ask', ...network, '--seed', 'x', 'hi'], 2],
    [['ask', ...network, '--seed', '18446744073709551616', 'hi'], 2],
    [['ask', ...network, '--provider', provider.address, '--router', provider.address, 'hi'], 2],
    [['ask', ...network, '--provider', provider.address, 'hi \ufdd0'], 2],
    [['ask', ...network, '--router', provider.address, 'hi'], 4],
    [['ask', ...network, '--provider', provider.address, '--model', 'other', 'hi'], 7],
    [['ask', ...network, '--provider', 'nonsense', 'hi'], 2],
    [['ask', ...network], 2],
  ];
  for (const [args, expected] of cases) {
    const { code, stdout, stderr } = await runProgram(args, { home, script });
    assert.equal(code, expected, `${args.join(' ')}: ${stderr}`);
    assert.equal(stdout, '');
    assert.equal(stderr.split('\n').filter((line) => line.startsWith('qvac:')).length, 1, stderr);
  }
});

test('chat keeps the conversation and answers every line', async (context) => {
  const provider = await startProvider(context);
  const { code, stdout, stderr } = await runProgram(
    ['chat', ...network, '--provider', provider.address, '--max-tokens', '5', '--seed', '1', '--json'],
    { home: await temporaryHome(context), script, input: 'first\n\nsecond\n' },
  );
  assert.equal(code, 0, stderr);
  const answers = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as AskJson);
  assert.equal(answers.length, 2);
  const receipts = [...provider.receipts.values()];
  assert.deepEqual(
    receipts.map(({ input }) => input?.messages.map(({ role }) => role)),
    [['user'], ['user', 'assistant', 'user']],
  );
  assert.equal(receipts[1]?.input?.messages[1]?.content, answers[0]?.answer);
});
