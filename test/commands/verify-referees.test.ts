import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Engine } from '../../src/model/engine.ts';
import { createReceiptStore } from '../../src/node/home/receipt-store.ts';
import { decodeReceipt, type Receipt, serialiseReceipt } from '../../src/proofs/receipt.ts';
import { modes } from '../../src/protocol/messages.ts';
import { startAsker } from '../support/asking.ts';
import { disguised } from '../support/cheats/engines.ts';
import { runInProcess } from '../support/cli.ts';
import { temporaryHome } from '../support/home.ts';
import { startProvider } from '../support/market.ts';
import { createScriptedEngine } from '../support/scripted-engine.ts';
import { testSeed } from '../support/seeds.ts';

interface Asked {
  readonly answer: Receipt;
  readonly scores: readonly Receipt[];
}

/** An answer that three referees scored, for a client without the model. */
async function askedOf(
  context: TestContext,
  { engine = createScriptedEngine(), seed = testSeed }: { readonly engine?: Engine; readonly seed?: Uint8Array } = {},
): Promise<Asked> {
  const provider = await startProvider(context, { engine });
  const others = [await startProvider(context), await startProvider(context), await startProvider(context)];
  const asker = await startAsker(context, { providers: [provider, ...others] });
  const { receipt } = await asker.ask({ provider: provider.address, referees: 3, seed });
  return {
    answer: asker.receipts.get(receipt ?? assert.fail('no receipt')) ?? assert.fail(),
    scores: [...asker.receipts.values()].filter((each) => decodeReceipt(each).offer.mode === modes.score),
  };
}

test('a home with the receipts of the referees verifies an answer without the model', async (context) => {
  const home = await temporaryHome(context);
  const { answer, scores } = await askedOf(context);
  const store = createReceiptStore(join(home, 'receipts'));
  for (const receipt of [answer, ...scores]) await store.save(receipt);
  const id = decodeReceipt(answer).jobId.slice(0, 8);
  const { code, stdout, stderr } = await runInProcess(['verify', '--home', home, '--verify', 'full', id]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /✓ referees +3 of 3 referees found no difference: (12D3\S+ pass exact(, )?){3}/);
  assert.match(stdout, /· verified exact by 3 referees ·/);
  const listed = await runInProcess(['receipts', 'ls', '--home', home]);
  assert.match(listed.stdout, /verified exact by 3 referees/);
  assert.equal(listed.stdout.match(/score · checked: sampling/g)?.length, 3);
  const shown = await runInProcess(['receipts', 'show', '--home', home, id]);
  assert.match(shown.stdout, /verdict +pass \(exact\) by 12D3\S+, on the scores (\w{8}(, )?){3}/);
});

test('receipt files of referees are compared with the answer, in a home that knows neither', async (context) => {
  const home = await temporaryHome(context);
  const cheat = disguised(createScriptedEngine({ damage: 2 }), createScriptedEngine());
  const { answer, scores } = await askedOf(context, { engine: cheat });
  const files = await Promise.all(
    [answer, ...scores].map(async (receipt, at) => {
      const file = join(home, `${at}.json`);
      await writeFile(file, serialiseReceipt(receipt));
      return file;
    }),
  );
  const alone = await runInProcess(['verify', '--home', home, files[0] ?? '']);
  assert.equal(alone.code, 0);
  assert.match(alone.stdout, /· checked: sampling ·/);
  const ids = scores.map((score) => decodeReceipt(score).jobId.slice(0, 8));
  const named = /- referees +its verdict rests on score jobs whose receipts are not here: (.*)/.exec(alone.stdout)?.[1];
  assert.deepEqual(named?.split(', ').sort(), ids.sort());
  const { code, stdout } = await runInProcess(['verify', '--home', home, '--json', ...files]);
  assert.equal(code, 6);
  const { result, tier, checks } = JSON.parse(stdout) as {
    readonly result: string;
    readonly tier: string;
    readonly checks: readonly { readonly name: string; readonly result: string; readonly detail: string }[];
  };
  assert.deepEqual([result, tier, checks.at(-1)?.name, checks.at(-1)?.result], ['fail', 'exact', 'referees', 'fail']);
  assert.match(checks.at(-1)?.detail ?? '', /^exact-mismatch: 3 of 3 referees found exact-mismatch: /);
});

test('a score job of another answer says nothing of this one', async (context) => {
  const home = await temporaryHome(context);
  const one = await askedOf(context);
  const other = await askedOf(context, { seed: new Uint8Array(32).fill(9) });
  const files = await Promise.all(
    [one.answer, other.scores[0] ?? assert.fail('no score')].map(async (receipt, at) => {
      const file = join(home, `${at}.json`);
      await writeFile(file, serialiseReceipt(receipt));
      return file;
    }),
  );
  const { code, stdout } = await runInProcess(['verify', '--home', home, '--verify', 'full', ...files]);
  assert.equal(code, 6);
  assert.match(stdout, /\? referees +the receipts of the referees are not of this answer/);
});
