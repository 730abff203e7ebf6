import assert from 'node:assert/strict';
import { copyFile, link, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { openEngine } from '../../src/model/llama.ts';
import { parseReceipt, serialiseReceipt } from '../../src/proofs/receipt.ts';
import { runInProcess } from '../support/cli.ts';
import { temporaryHome } from '../support/home.ts';
import { openTestJob, receiveAll, startProvider, testSampler } from '../support/market.ts';
import { type TestModel, testModel } from '../support/models.ts';

/** A real answer of `claimed`, computed with `run`, as a receipt file. */
async function answer(context: TestContext, home: string, claimed: TestModel, run: TestModel): Promise<string> {
  const engine = await openEngine({
    modelPath: run.path,
    modelId: claimed.id,
    name: claimed.name,
    context: 512,
    threads: 1,
    gpu: 'off',
    cacheDir: join(home, 'cache'),
  });
  context.after(() => engine.dispose());
  const provider = await startProvider(context, { engine });
  const { job, secret } = await openTestJob(context, provider, { sampler: { ...testSampler, maxTokens: 16 } });
  await receiveAll(job);
  await job.challenge(secret);
  const file = join(home, 'receipt.json');
  await writeFile(file, serialiseReceipt(job.received.receipt([])));
  return file;
}

interface Verified {
  readonly result: string;
  readonly tier: string;
  readonly checks: readonly { readonly name: string; readonly result: string; readonly detail: string }[];
}

describe('qvac verify, with the model', () => {
  it('recomputes every token of an honest answer with the named file', async (context) => {
    const home = await temporaryHome(context);
    const model = await testModel('q4_0');
    const file = await answer(context, home, model, model);
    const flags = ['--home', home, '--threads', '1', '--gpu', 'off'];
    const named = await runInProcess(['verify', file, ...flags, '--model', model.path, '--json']);
    assert.equal(named.code, 0, named.stderr);
    const { result, tier, checks } = JSON.parse(named.stdout) as Verified;
    assert.deepEqual([result, tier], ['pass', 'exact']);
    assert.deepEqual(
      checks.map((check) => check.result),
      checks.map(() => 'pass'),
    );
    const { stdout } = await runInProcess(['verify', file, ...flags, '--model', model.path]);
    const n = parseReceipt(await readFile(file, 'utf8')).tokens.length;
    const lines = `✓ execution +all ${n} tokens computed and drawn again.*\n✓ ${n} tokens · 12D3Koo….* · verified exact · receipt `;
    assert.match(stdout, new RegExp(lines));

    const tokenizer = JSON.parse(
      (await runInProcess(['verify', file, ...flags, '--model', model.path, '--verify', 'sampling', '--json'])).stdout,
    ) as Verified;
    assert.deepEqual([tokenizer.result, tokenizer.tier], ['pass', 'text']);
    const other = await runInProcess(['verify', file, ...flags, '--model', (await testModel('q4_1')).path]);
    assert.equal(other.code, 7);
    assert.match(other.stderr, /^qvac: the receipt names another model than /m);
  });

  it('finds the model of the receipt in the home', async (context) => {
    const home = await temporaryHome(context);
    const model = await testModel('q4_1');
    const file = await answer(context, home, model, model);
    const dir = join(home, 'models', 'smollm2-135m');
    await mkdir(dir, { recursive: true });
    await link(model.path, join(dir, 'q4_1.gguf')).catch(() => copyFile(model.path, join(dir, 'q4_1.gguf')));
    await writeFile(join(dir, 'q4_1.gguf.json'), JSON.stringify({ sha256: model.id, source: 'test' }));
    const { code, stdout, stderr } = await runInProcess([
      'verify',
      file,
      '--home',
      home,
      '--threads',
      '1',
      '--gpu',
      'off',
      '--json',
    ]);
    assert.deepEqual([code, (JSON.parse(stdout) as Verified).tier], [0, 'exact'], stderr);
  });

  it('reports the fault of an answer by another quantisation, and what it does not show', async (context) => {
    const home = await temporaryHome(context);
    const [claimed, run] = await Promise.all([testModel('q8_0'), testModel('q4_0')]);
    const file = await answer(context, home, claimed, run);
    const { code, stdout } = await runInProcess([
      'verify',
      file,
      '--home',
      home,
      '--threads',
      '1',
      '--gpu',
      'off',
      '--model',
      claimed.path,
    ]);
    assert.equal(code, 6, stdout);
    assert.match(stdout, /✗ execution +exact-mismatch: /);
    assert.match(
      stdout,
      /\ncheck failed: exact-mismatch · provider 12D3Koo\w+\n {2}shown: .*\n {2}not shown: which model was run instead/,
    );
    assert.match(stdout, /\n✗ .* · failed exact: exact-mismatch · receipt /);
    assert.doesNotMatch(stdout, /verified/);
  });
});
