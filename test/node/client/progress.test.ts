import assert from 'node:assert/strict';
import { test } from 'node:test';
import { QvacError } from '../../../src/errors.ts';
import { startAsker } from '../../support/asking.ts';
import { createGate } from '../../support/gate.ts';
import { openTestJob, receiveAll, startProvider } from '../../support/market.ts';
import { chat } from '../../support/models/inputs.ts';
import { startRouter, withTamperedAnswers } from '../../support/router.ts';

test('the progress of a long prompt reaches the person, directly and through a router', async (context) => {
  for (const isRouted of [false, true]) {
    const gate = createGate(0);
    const provider = await startProvider(context, { script: { beforeStep: gate.beforeStep } });
    const router = isRouted ? await startRouter(context, { providers: [provider] }) : null;
    const asker = await startAsker(context, { providers: [provider] });
    const told: (readonly [number, number])[] = [];
    const answer = await asker.ask(
      { input: chat('x'.repeat(300)), router: router === null ? null : { target: router.address, optional: false } },
      {
        onPrompted(done, total) {
          told.push([done, total]);
          gate.open();
        },
      },
    );
    assert.equal(answer.verification.result, 'pass');
    // Two whole blocks of 128, and the rest under way.
    assert.deepEqual(told[0], [256, 317]);
  }
});

test('progress after the first token breaks the protocol', async (context) => {
  const provider = await startProvider(context, {
    wrapPeer: (peer) =>
      withTamperedAnswers(peer, (frame) =>
        frame.t === 'tokens' ? [frame, { t: 'progress', done: 1, total: 2 }] : [frame],
      ),
  });
  const { job } = await openTestJob(context, provider);
  await assert.rejects(receiveAll(job), (error) => error instanceof QvacError && error.code === 'E_BAD_PEER');
});
