import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createReceiptStore } from '../../src/node/home/receipt-store.ts';
import { parseReceipt } from '../../src/proofs/receipt.ts';
import { runInProcess } from '../support/cli.ts';

interface Vector {
  readonly expect: { readonly result: 'pass' | 'fail' | 'inconclusive' | 'malformed'; readonly fault: string | null };
  readonly receipt: unknown;
}

const vectors = new URL('../vectors/', import.meta.url);
let home = '';
before(async () => {
  home = await mkdtemp(join(tmpdir(), 'qvac-verify-'));
});
after(() => rm(home, { recursive: true, force: true }));

async function readVector(path: string): Promise<Vector> {
  return JSON.parse(await readFile(new URL(path, vectors), 'utf8')) as Vector;
}

/** Writes the receipt of a vector to a file. */
async function receiptFile(path: string): Promise<string> {
  const { receipt } = await readVector(path);
  const file = join(home, path.replaceAll('/', '-'));
  await writeFile(file, JSON.stringify(receipt));
  return file;
}

function verify(...args: readonly string[]) {
  return runInProcess(['verify', '--home', home, ...args]);
}

describe('qvac verify', () => {
  it('passes a good receipt, and reports how far it was checked', async () => {
    const { code, stdout, stderr } = await verify(await receiptFile('receipt-pass.json'));
    assert.equal(code, 0, stderr);
    assert.match(stdout, /✓ signatures/);
    assert.match(stdout, /- execution +the model was not run/);
    assert.match(stdout, /\n✓ .* · checked: sampling · receipt [0-9a-f]{4}…[0-9a-f]{2}\n$/);
    assert.doesNotMatch(stdout, /verified/);
  });

  it('names the file that a demanded full check lacks', async () => {
    const { code, stderr } = await verify(await receiptFile('receipt-pass.json'), '--verify', 'full');
    assert.equal(code, 6);
    assert.match(
      stderr,
      /full check could not be made: it needs the model file with SHA-256 [0-9a-f]{64}; see qvac models ls --all/,
    );
    assert.equal((await verify(await receiptFile('receipt-pass.json'), '--auditor', 'bob')).code, 2);
  });

  it('prints the documented JSON', async () => {
    const { code, stdout } = await verify(await receiptFile('receipt-pass.json'), '--json');
    assert.equal(code, 0);
    const value = JSON.parse(stdout) as {
      result: string;
      tier: string;
      checks: readonly { name: string; result: string; detail: string }[];
    };
    assert.deepEqual(Object.keys(value), ['result', 'tier', 'checks']);
    assert.deepEqual([value.result, value.tier], ['pass', 'sampling']);
    for (const check of value.checks) {
      assert.deepEqual(Object.keys(check), ['name', 'result', 'detail']);
      assert.ok(['pass', 'fail', 'skipped', 'inconclusive'].includes(check.result));
    }
    assert.deepEqual(
      value.checks.map(({ name }) => name),
      ['signatures', 'opening', 'sampling', 'length', 'prompt', 'execution'],
    );
  });

  it('finds every fault of the vectors, with exit code 6, and refuses what is malformed with 2', async () => {
    const names = (await readdir(new URL('receipts-bad/', vectors))).sort();
    assert.ok(names.length > 60);
    for (const name of names) {
      const path = `receipts-bad/${name}`;
      const { expect } = await readVector(path);
      const { code, stdout } = await verify(await receiptFile(path), '--json');
      const value = JSON.parse(stdout) as {
        result?: string;
        checks?: readonly { result: string; detail: string }[];
        error?: { code: string };
      };
      if (expect.result === 'malformed') {
        assert.deepEqual([code, value.error?.code], [2, 'E_MALFORMED_RECEIPT'], name);
        continue;
      }
      assert.equal(value.result, expect.result, name);
      assert.equal(code, expect.result === 'fail' ? 6 : 0, name);
      const failed = value.checks?.filter(({ result }) => result === 'fail') ?? [];
      assert.deepEqual(
        failed.map(({ detail }) => detail.split(':')[0]),
        expect.fault === null ? [] : [expect.fault],
        name,
      );
    }
  });

  it('explains what a fault shows and what it does not show', async () => {
    const { stdout } = await verify(await receiptFile('receipts-bad/prefill-attack.json'));
    assert.match(stdout, /✗ sampling +sampler-mismatch: /);
    assert.match(stdout, /check failed: sampler-mismatch · provider 12D3Koo/);
    assert.match(stdout, / {2}shown: .*\n {2}not shown: /);
    assert.match(stdout, /\n✗ .* · failed sampling: sampler-mismatch · receipt /);
  });

  it('passes the other good receipts', async () => {
    for (const name of await readdir(new URL('receipts-pass/', vectors))) {
      const path = `receipts-pass/${name}`;
      const { expect } = await readVector(path);
      const { code, stdout } = await verify(await receiptFile(path), '--json');
      assert.deepEqual([code, (JSON.parse(stdout) as { result: string }).result], [0, expect.result], name);
    }
  });

  it('exits with 6 if a demanded full check is impossible', async () => {
    const file = await receiptFile('receipt-pass.json');
    assert.equal((await verify(file, '--verify', 'full')).code, 6);
    assert.equal((await verify(file, '--verify', 'sampling')).code, 0);
    assert.equal((await verify(file, '--verify', 'maybe')).code, 2);
  });

  it('takes a receipt by a unique beginning of its id', async () => {
    const receipt = parseReceipt(await readFile(await receiptFile('receipt-pass.json')));
    const other = parseReceipt(await readFile(await receiptFile('receipts-pass/greedy.json')));
    const ids = await Promise.all([receipt, other].map((one) => createReceiptStore(join(home, 'receipts')).save(one)));
    assert.equal((await verify(ids[0]?.slice(0, 12) ?? '')).code, 0);
    assert.equal((await verify((ids[0] ?? '').toUpperCase())).code, 0);
    const missing = await verify('00000000');
    assert.equal(missing.code, 2);
    assert.match(missing.stderr, /^qvac: no receipt here begins with "00000000"\n {2}qvac receipts ls\n$/);
  });

  it('refuses in one line a file that is not a receipt', async () => {
    const file = join(home, 'rubbish');
    for (const content of ['', '{', '{}', 'null', '\u0000\u0001', '[]', '{"version":2}']) {
      await writeFile(file, content);
      const { code, stdout, stderr } = await verify(file);
      assert.deepEqual([code, stdout], [2, ''], content);
      assert.equal(stderr.split('\n').length, 2, stderr);
      assert.match(stderr, /^qvac: .* is not a receipt \(/);
    }
    assert.equal((await verify(join(home, 'missing.json'))).code, 2);
    assert.equal((await verify(home)).code, 2);
    assert.equal((await verify()).code, 2);
  });

  it('requires the model of the receipt', async () => {
    const file = await receiptFile('receipt-pass.json');
    const text = join(home, 'no-model.gguf');
    await writeFile(text, 'this is a text file');
    const broken = await verify(file, '--model', text);
    assert.equal(broken.code, 7);
    assert.match(broken.stderr, /^qvac: .*\n {2}.*\n$/);
    assert.equal((await verify(file, '--model', 'qwen3-4b')).code, 7);
    assert.equal((await verify(file, '--model', join(home, 'missing.gguf'))).code, 7);
  });
});
