import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createReceiptStore } from '../../src/node/home/receipt-store.ts';
import { parseReceipt } from '../../src/proofs/receipt.ts';
import { runInProcess } from '../support/cli.ts';

interface Vector {
  readonly expect: {
    readonly result: 'pass' | 'fail' | 'inconclusive' | 'malformed';
    readonly fault: string | null;
    readonly check: string | null;
  };
  /** What a check of the grammar needs; it is in a model file, which is not here. */
  readonly vocabulary?: unknown;
  readonly receipt: unknown;
}

/** Whether only the vocabulary shows the result: the grammar's mask is part of checks 3 and 4. */
function needsVocabulary({ expect: { result, check }, vocabulary }: Vector): boolean {
  return vocabulary !== undefined && (result === 'pass' || check === '3' || check === '4');
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
    const { code, stdout, stderr } = await verify(await receiptFile('receipts-pass/paid.json'));
    assert.equal(code, 0, stderr);
    assert.match(stdout, /✓ signatures/);
    assert.match(stdout, /- execution +the model was not run/);
    assert.match(stdout, /\n✓ .* · checked: sampling · receipt [0-9a-f]{4}…[0-9a-f]{2}\n$/);
    assert.doesNotMatch(stdout, /verified/);
  });

  it('names the file that a demanded full check lacks', async () => {
    const { code, stderr } = await verify(await receiptFile('receipts-pass/paid.json'), '--verify', 'full');
    assert.equal(code, 6);
    assert.match(
      stderr,
      /full check could not be made: it needs the model file with SHA-256 [0-9a-f]{64}; see qvac models ls --all/,
    );
    assert.equal((await verify(await receiptFile('receipts-pass/paid.json'), '--auditor', 'bob')).code, 2);
  });

  it('prints the documented JSON', async () => {
    const { code, stdout } = await verify(await receiptFile('receipts-pass/paid.json'), '--json');
    assert.equal(code, 0);
    const value = JSON.parse(stdout) as {
      result: string;
      tier: string;
      checks: readonly { name: string; result: string; detail: string }[];
    };
    assert.deepEqual(Object.keys(value), ['result', 'tier', 'checks', 'calibration', 'earlier', 'atFault']);
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
      const vector = await readVector(path);
      const expect = needsVocabulary(vector) ? { result: 'inconclusive', fault: null } : vector.expect;
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
      const vector = await readVector(path);
      const { code, stdout } = await verify(await receiptFile(path), '--json');
      // Without the receipt of the part before it, nothing is known of the beginning of the answer.
      const isPart = JSON.stringify(vector.receipt).includes('"previous":"');
      const expected = needsVocabulary(vector) || isPart ? 'inconclusive' : vector.expect.result;
      assert.deepEqual([code, (JSON.parse(stdout) as { result: string }).result], [0, expected], name);
    }
  });

  it('exits with 6 if a demanded full check is impossible', async () => {
    const file = await receiptFile('receipts-pass/paid.json');
    assert.equal((await verify(file, '--verify', 'full')).code, 6);
    assert.equal((await verify(file, '--verify', 'sampling')).code, 0);
    assert.equal((await verify(file, '--verify', 'maybe')).code, 2);
  });

  it('takes a receipt by a unique beginning of its id', async () => {
    const receipt = parseReceipt(await readFile(await receiptFile('receipts-pass/paid.json')));
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

  it('says of a receipt from before the revision that it cannot be checked any more', async () => {
    const receipt = JSON.parse(await readFile(await receiptFile('receipts-pass/paid.json'), 'utf8')) as Readonly<
      Record<string, unknown>
    >;
    const { ack: _ack, ackSig: _ackSig, extra: _extra, grammar: _grammar, previous: _previous, ...rest } = receipt;
    const file = join(home, 'old.json');
    await writeFile(file, JSON.stringify({ ...rest, cancel: null, cancelSig: null }));
    const { code, stdout, stderr } = await verify(file);
    assert.deepEqual([code, stdout], [2, '']);
    assert.match(stderr, /^qvac: .*old\.json is from before the revision of the protocol, and cannot be checked/);
  });

  it('requires the model of the receipt', async () => {
    const file = await receiptFile('receipts-pass/paid.json');
    const text = join(home, 'no-model.gguf');
    await writeFile(text, 'this is a text file');
    const broken = await verify(file, '--model', text);
    assert.equal(broken.code, 7);
    assert.match(broken.stderr, /^qvac: .*\n {2}.*\n$/);
    assert.equal((await verify(file, '--model', 'qwen3-4b')).code, 7);
    assert.equal((await verify(file, '--model', join(home, 'missing.gguf'))).code, 7);
  });
});
