import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createReceiptStore } from '../../src/node/home/receipt-store.ts';
import { runProgram } from '../support/binary.ts';
import { temporaryHome } from '../support/home.ts';
import { root } from '../support/imports.ts';
import { checkIndependently } from '../support/independent-checker.ts';
import { noNamespaces } from '../support/netns.ts';
import { withModel } from './market.ts';

describe('the demo', () => {
  it('verifies and pays one answer, catches one cheat and pays it nothing, and leaves both receipts', async (context) => {
    const home = await temporaryHome(context);
    const model = await withModel(home);
    // Without a network if the system allows it: once the model is here, the demo needs none.
    const alone =
      noNamespaces === null
        ? { node: 'unshare', nodeFlags: ['-rn', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh', process.execPath] }
        : {};
    const { code, stdout, stderr } = await runProgram(['What', 'is', 'a', 'prime', 'number?'], {
      home,
      script: join(root, 'dist', 'demo', 'main.js'),
      ...alone,
    });
    assert.equal(code, 0, stderr);
    assert.notEqual(stdout.trim(), '');
    assert.match(stderr, /"What is a prime number\?"/);
    assert.match(
      stderr,
      /✓ \d+ tokens? · .* · smollm2-135m q4_1 · (?:[\d.]+ SOL · )?verified (exact|statistical) (\d+)\/\2 .*· receipt [0-9a-f]{4}…/,
    );
    assert.match(stderr, /✓ .* · [^·]*0\.\d+ SOL[^·]* · verified/);
    assert.match(stderr, /chain record of this provider: 1 job paid, 0\.\d+ SOL earned; 0 rejected, 0 SOL burnt/);
    assert.match(stderr, /chain record of this provider: 0 jobs paid, 0 SOL earned; 1 rejected, 0\.\d+ SOL burnt/);
    assert.match(stderr, /bill by job: 1 answer, 0\.\d+ SOL paid, 0\.00002 SOL of fees/);
    assert.match(stderr, /· deposit 0\.\d+ SOL with 12D3Koo…\S+, back within 10 minutes of closing/);
    assert.equal([...stderr.matchAll(/ · paid 0\.\d+ SOL by channel \(0\.\d+ SOL left\)/g)].length, 3);
    assert.match(stderr, /bill by channel: 3 answers, 0\.\d+ SOL paid, 0\.0000[12]5? SOL of fees/);
    assert.match(
      stderr,
      /check failed: (exact-mismatch|sampler-mismatch|draws-far|distribution-far) · provider 12D3KooW/,
    );

    // The client of the third act holds no model.
    assert.match(stderr, /✓ .* · verified (exact|statistical) (\d+)\/\2 by 1 referee/);
    assert.match(stderr, /✗ .* · failed (exact|statistical) by [23] referees: /);

    const receipts = await createReceiptStore(join(home, 'receipts')).list();
    assert.equal(receipts.length, 2);
    const codes = [];
    for (const { path } of receipts.toReversed())
      codes.push((await runProgram(['verify', path, '--model', model, '--threads', '1'], { home })).code);
    assert.deepEqual(codes, [0, 6], 'offline the honest receipt passes and the other fails');

    // Without the model, the fault of the second receipt shows only in its draws.
    const strangers = await Promise.all(
      receipts.toReversed().map(async ({ path }) => checkIndependently(await readFile(path, 'utf8'))),
    );
    assert.deepEqual(strangers[0], { result: 'pass', fault: null });
    assert.ok(
      strangers[1]?.result === 'pass' || strangers[1]?.fault === 'sampler-mismatch',
      JSON.stringify(strangers[1]),
    );
  });
});
