import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { homeAt } from '../../src/config.ts';
import { createReceiptStore } from '../../src/node/home/receipt-store.ts';
import { parseReceipt, type Receipt, serialiseReceipt } from '../../src/proofs/receipt.ts';
import { jobIdOf } from '../../src/protocol/digests.ts';
import { runInProcess } from '../support/cli.ts';
import { temporaryHome } from '../support/home.ts';
import { readVectors } from '../support/vectors.ts';

interface Vectors {
  readonly sets: readonly { readonly what: string; readonly receipts: readonly unknown[] }[];
}

const { sets } = readVectors('continue.json') as Vectors;

/** The receipts of the vector whose name begins so, the first part first. */
function receiptsOf(what: string): readonly Receipt[] {
  const found = sets.find((set) => set.what.startsWith(what)) ?? assert.fail(what);
  return found.receipts.map((receipt) => parseReceipt(JSON.stringify(receipt)));
}

interface Verified {
  readonly result: string;
  readonly tier: string;
  readonly checks: readonly { readonly name: string; readonly result: string; readonly detail: string }[];
  readonly earlier: readonly { readonly id: string; readonly provider: string; readonly tokens: number }[];
  readonly atFault: string | null;
}

const idOf = ({ offer }: Receipt): string => jobIdOf(offer.body);

async function homeWith(context: TestContext, receipts: readonly Receipt[]): Promise<string> {
  const home = await temporaryHome(context);
  const store = createReceiptStore(homeAt(home).receipts);
  for (const receipt of receipts) await store.save(receipt);
  return home;
}

async function verify(home: string, ...args: readonly string[]): Promise<Verified> {
  const { stdout, stderr, code } = await runInProcess(['verify', '--home', home, '--json', ...args]);
  assert.ok(code === 0 || code === 6, stderr);
  return JSON.parse(stdout) as Verified;
}

describe('an answer that several providers wrote', () => {
  it('is verified by its last receipt, which leads to the others', async (context) => {
    const receipts = receiptsOf('In three pieces');
    const last = receipts.at(-1) ?? assert.fail('no receipts');
    const home = await homeWith(context, receipts);
    const whole = await verify(home, idOf(last));
    assert.deepEqual(
      whole.earlier.map(({ id }) => id),
      receipts.slice(0, -1).map(idOf),
    );
    assert.equal(whole.checks.filter(({ name }) => name === 'part').length, 2);
    assert.notEqual(whole.result, 'fail');
    // The parts are given as files, and the store has none of them.
    const files = await Promise.all(
      receipts.map(async (receipt, at) => {
        const file = join(home, `part-${at}.json`);
        await writeFile(file, serialiseReceipt(receipt));
        return file;
      }),
    );
    const empty = await temporaryHome(context);
    assert.deepEqual(await verify(empty, files[2] ?? '', files[0] ?? '', files[1] ?? ''), whole);
    const { stdout } = await runInProcess(['verify', '--home', empty, ...files.toReversed()]);
    assert.match(stdout, /12D3Koo….{6}, then 12D3Koo….{6} after \d+, then 12D3Koo….{6} after \d+ · /);
  });

  it('is inconclusive without the model if a part was cut off, or its receipt is missing', async (context) => {
    const receipts = receiptsOf('Cut off in the middle of a character');
    const [first, last] = receipts;
    assert.ok(first !== undefined && last !== undefined);
    const whole = await verify(await homeWith(context, receipts), idOf(last));
    assert.deepEqual([whole.result, whole.tier, whole.atFault], ['inconclusive', 'sampling', null]);
    const alone = await verify(await homeWith(context, [last]), idOf(last));
    assert.equal(alone.result, 'inconclusive');
    assert.deepEqual(alone.earlier, []);
    assert.match(alone.checks.at(-1)?.detail ?? '', new RegExp(`no receipt ${idOf(first).slice(0, 8)} of this answer`));
  });

  it('passes if every part was opened', async (context) => {
    const receipts = receiptsOf('Broken off between two characters');
    const last = receipts.at(-1) ?? assert.fail('no receipts');
    const { result, tier } = await verify(await homeWith(context, receipts), idOf(last));
    assert.deepEqual([result, tier], ['pass', 'sampling']);
  });

  it('is not verified by the receipt of another answer, whatever `previous` says', async (context) => {
    const [, last] = receiptsOf('Broken off between two characters');
    const [other] = receiptsOf('In three pieces');
    assert.ok(last !== undefined && other !== undefined);
    const forged = { ...last, previous: jobIdOf(other.offer.body) };
    // Another answer's first part, cut elsewhere: its tokens are those of the same answer, but its seed need not be.
    const home = await homeWith(context, [forged, { ...other, tokens: other.tokens.map((token) => token + 1) }]);
    const { earlier, result } = await verify(home, idOf(forged));
    assert.deepEqual([earlier, result], [[], 'inconclusive']);
  });

  it('names the provider whose part fails', async (context) => {
    const [first, last] = receiptsOf('Broken off between two characters');
    assert.ok(first !== undefined && last !== undefined);
    const broken = { ...first, text: `${first.text}!` };
    const home = await homeWith(context, [broken, last]);
    const { result, atFault, earlier, checks } = await verify(home, idOf(last));
    assert.deepEqual([result, atFault], ['fail', earlier[0]?.provider]);
    assert.match(checks.at(-1)?.detail ?? '', /bad-receipt/);
  });

  it('is shown with all its parts', async (context) => {
    const receipts = receiptsOf('Broken off between two characters');
    const [first, last] = receipts;
    assert.ok(first !== undefined && last !== undefined);
    const home = await homeWith(context, receipts);
    const { stdout } = await runInProcess(['receipts', 'show', '--home', home, '--json', idOf(last)]);
    const { earlier, start, previous } = JSON.parse(stdout) as {
      readonly earlier: readonly { readonly id: string; readonly tokens: number; readonly text: string }[];
      readonly start: number;
      readonly previous: string;
    };
    assert.deepEqual([previous, start], [idOf(first), first.tokens.length]);
    assert.deepEqual(
      earlier.map(({ id, tokens, text }) => ({ id, tokens, text })),
      [{ id: idOf(first), tokens: start, text: first.text }],
    );
    const shown = await runInProcess(['receipts', 'show', '--home', home, idOf(last)]);
    assert.match(shown.stdout, new RegExp(`before {4}${start} tokens by 12D3Koo\\w+, receipt ${idOf(first)}`));
    assert.match(shown.stdout, new RegExp(`answer, from token ${start}`));
  });
});
