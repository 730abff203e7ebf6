import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openEngine } from '../../src/model/llama.ts';
import { runProgram } from '../support/binary.ts';
import { temporaryHome } from '../support/home.ts';
import { root } from '../support/imports.ts';
import { startProvider } from '../support/market.ts';
import { testCacheDir, tinyEmbedder } from '../support/models.ts';
import { createScriptedEmbedder } from '../support/scripted-embedder.ts';

const script = join(root, 'src', 'main.ts');
const network = ['--private', 'test', '--no-mdns'];

interface EmbedJson {
  readonly embeddings: readonly (readonly number[])[] | null;
  readonly model: { readonly name: string };
  readonly dimensions: number | null;
  readonly promptTokens: number;
  readonly jobs: readonly {
    readonly texts: number;
    readonly receipt: string;
    readonly verification: { readonly result: string; readonly tier: string; readonly count: number };
  }[];
}

test('texts become lines of numbers, and the last line says who computed them again', async (context) => {
  const { path, id, name } = await tinyEmbedder();
  const engine = await openEngine({ modelPath: path, modelId: id, threads: 1, gpu: 'off', cacheDir: testCacheDir });
  context.after(() => engine.dispose());
  await engine.runSelfTest();
  const provider = await startProvider(context, { engine });
  const home = await temporaryHome(context);
  const to = [...network, '--provider', provider.address];
  const plain = await runProgram(['embed', ...to, 'hello world', 'hello'], { home, script });
  assert.equal(plain.code, 0, plain.stderr);
  const lines = plain.stdout.trimEnd().split('\n');
  const vectors = lines.map((line) => JSON.parse(line) as readonly number[]);
  assert.deepEqual(
    vectors.map(({ length }) => length),
    [64, 64],
  );
  for (const vector of vectors) assert.ok(Math.abs(vector.reduce((sum, value) => sum + value * value, 0) - 1) < 1e-5);
  assert.match(plain.stderr, /^→ provider .* · sees your prompt$/m);
  assert.match(
    plain.stderr,
    /^\? 2 texts · .* · not checked, signed only \(the model is not on this machine\) · receipt/m,
  );

  // With the model file, from standard input, as JSON.
  const args = ['embed', ...to, '--model', path, '--threads', '1', '--json'];
  const json = await runProgram(args, { home, script, input: 'hello world\n\nhello\n' });
  assert.equal(json.code, 0, json.stderr);
  const found = JSON.parse(json.stdout) as EmbedJson;
  assert.deepEqual(found.embeddings, vectors);
  assert.deepEqual([found.model.name, found.dimensions, found.jobs.length], [name, 64, 1]);
  const [job] = found.jobs;
  assert.deepEqual([job?.texts, job?.verification.result, job?.verification.tier], [2, 'pass', 'exact'], json.stderr);
  const verify = ['verify', job?.receipt ?? '', '--model', path, '--threads', '1'];
  const verified = await runProgram(verify, { home, script });
  assert.equal(verified.code, 0, verified.stderr);
  assert.match(verified.stdout, /execution +2 of 2 vectors computed again, equal bit for bit/);
  assert.match(verified.stdout, /✓ 2 vectors · .* · verified exact/);
});

test('a full check that fails or cannot be made ends with 6, and a chat model with one line', async (context) => {
  const embedder = await startProvider(context, { engine: createScriptedEmbedder() });
  const chat = await startProvider(context);
  const home = await temporaryHome(context);
  const run = (address: string, ...args: readonly string[]) =>
    runProgram(['embed', ...network, '--provider', address, ...args], { home, script });
  const unchecked = await run(embedder.address, '--verify', 'full', 'hello');
  assert.equal(unchecked.code, 6, unchecked.stderr);
  const wrong = await run(chat.address, 'hello');
  assert.equal(wrong.code, 4);
  assert.match(wrong.stderr, /it answers, and does not embed texts/);
});

test('a receipt that cannot be stored is the fault of the home, not a bug', async (context) => {
  const provider = await startProvider(context, { engine: createScriptedEmbedder() });
  const home = await temporaryHome(context);
  await writeFile(join(home, 'receipts'), 'in the way');
  const args = ['embed', ...network, '--provider', provider.address, 'hello'];
  const { code, stderr } = await runProgram(args, { home, script });
  assert.match(stderr, /^cannot store the receipt: /m);
  assert.equal(code, 3, stderr);
});
