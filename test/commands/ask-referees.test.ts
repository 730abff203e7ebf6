import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { runProgram } from '../support/binary.ts';
import { disguised } from '../support/cheats/engines.ts';
import { temporaryHome } from '../support/home.ts';
import { root } from '../support/imports.ts';
import { startProvider, type TestProvider, type TestProviderInit } from '../support/market.ts';
import { createScriptedEngine } from '../support/scripted-engine.ts';

const script = join(root, 'src', 'main.ts');
const cheat = { engine: disguised(createScriptedEngine({ damage: 2 }), createScriptedEngine()) };

/** `qvac ask`, in a home without a model file, of the first of these providers; the others may be referees. */
async function ask(context: TestContext, inits: readonly TestProviderInit[], ...args: readonly string[]) {
  const providers: TestProvider[] = [];
  for (const init of inits) providers.push(await startProvider(context, init));
  const [first, ...others] = providers;
  const bootstrap = others.flatMap(({ address }) => ['--bootstrap', address]);
  const network = ['--private', 'test', '--no-mdns', '--provider', first?.address ?? '', ...bootstrap];
  const home = await temporaryHome(context);
  return {
    home,
    first,
    ...(await runProgram(['ask', ...network, '--max-tokens', '20', ...args, 'hello'], { home, script })),
  };
}

test('a home without the model gets an answer that a referee verified, and says who sees what', async (context) => {
  const { code, stderr, home } = await ask(context, [{}, {}, {}], '--referees', '1');
  assert.equal(code, 0, stderr);
  const lines = stderr.trimEnd().split('\n');
  assert.equal(lines[0], '→ 1 referee, drawn from 2 providers · sees prompt and answer · 3 of them if it disagrees');
  assert.match(lines[1] ?? '', /^→ provider 12D3\S+ · scripted q8_0 · free · sees your prompt$/);
  assert.match(lines.at(-1) ?? '', /^✓ 20 tokens · .* · verified exact 20\/20 by 1 referee · receipt ([0-9a-f]{4})…/);
  const id = /receipt ([0-9a-f]{4})…/.exec(stderr)?.[1] ?? '';
  const again = await runProgram(['verify', '--verify', 'full', id], { home, script });
  assert.equal(again.code, 0, again.stderr);
  assert.match(again.stdout, /✓ referees +one referee found no difference/);
});

test('referees name the cheat among honest providers, with exit code 6', async (context) => {
  const { code, stdout, stderr, first } = await ask(context, [cheat, {}, {}, {}], '--referees', '1', '--json');
  assert.equal(code, 6, stderr);
  const { verification, referees, provider } = JSON.parse(stdout) as {
    readonly provider: string;
    readonly verification: { readonly faults: readonly string[]; readonly referees: readonly string[] };
    readonly referees: readonly Record<string, unknown>[];
  };
  assert.deepEqual([provider, verification.faults], [first?.peer.id, ['exact-mismatch']]);
  assert.deepEqual(Object.keys(referees[0] ?? {}), ['peer', 'job', 'result', 'fault', 'tier', 'isFar', 'why', 'cost']);
  assert.deepEqual(
    referees.map(({ result, cost }) => [result, cost]),
    [
      ['fail', 0],
      ['fail', 0],
      ['fail', 0],
    ],
  );
});

test('flags that contradict each other, and other numbers than 1 and 3, are refused', async (context) => {
  for (const args of [
    ['--referees', '2'],
    ['--referees', '1', '--verify', 'sampling'],
  ]) {
    const { code, stderr } = await ask(context, [{}], ...args);
    assert.equal(code, 2, stderr);
  }
});
