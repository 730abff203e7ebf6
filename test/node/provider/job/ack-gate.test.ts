import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { AckGate, type AckGateInit, AckStalledError } from '../../../../src/node/provider/job/ack-gate.ts';
import { signBody, signingKeyFromSeed } from '../../../../src/proofs/signing.ts';
import { ackStop, kinds, payFrom } from '../../../../src/protocol/messages.ts';
import { signAck } from '../../../support/acks.ts';
import { manualTimer } from '../../../support/clock.ts';
import { client, createScriptedJob } from '../../../support/scripted-job.ts';

const graceTokens = 32;
const { jobId, offer } = createScriptedJob({ number: 1, quote: { grace: graceTokens } });
const payment = { pay: payFrom.jobAccount, account: new Uint8Array(32).fill(3), amountLamports: 1n };
const going = new AbortController().signal;

function paidGate(init: Partial<AckGateInit> = {}): AckGate {
  return new AckGate({ jobId, offer: { ...offer, payment }, ...init });
}

function take(gate: AckGate, n: number): void {
  gate.take(signAck(client, { jobId, n }));
  gate.open();
}

/** The most tokens that the gate lets pass now. */
async function passed(gate: AckGate): Promise<number> {
  const end = new AbortController();
  for (let n = 1; ; n++) {
    let isOpen = false;
    const passing = gate.pass(n, end.signal).then(
      () => (isOpen = true),
      () => undefined,
    );
    await setImmediate();
    if (isOpen) continue;
    end.abort();
    gate.open();
    await passing;
    return n - 1;
  }
}

describe('section 4: how far a provider runs ahead of the acknowledgements', () => {
  it('sends the first token after n 0, the second after n 1, and then as many more as the grace', async () => {
    const gate = paidGate();
    assert.equal(await passed(gate), 0);
    take(gate, 0);
    assert.equal(await passed(gate), 1);
    gate.sent(1, true);
    take(gate, 1);
    assert.equal(await passed(gate), 1 + graceTokens);
    gate.sent(1 + graceTokens, true);
    take(gate, 20);
    assert.equal(await passed(gate), 20 + graceTokens);
    assert.equal(gate.ackedTokens, 20);
  });

  it('lets an unpaid answer pass', async () => {
    const gate = new AckGate({ jobId, offer, stallMs: 1 });
    gate.sent(0, true);
    await gate.pass(1_000_000, going);
  });

  it('does not wait for a client that acknowledges nothing', async () => {
    const gate = paidGate({ stallMs: 20 });
    gate.sent(0, true);
    await assert.rejects(gate.pass(1, going), AckStalledError);
  });

  it('does not take the same count again for a higher one', { timeout: 60_000 }, async () => {
    const gate = paidGate({ stallMs: 100 });
    take(gate, 0);
    gate.sent(1, true);
    // A client that would hold a slot for ever.
    const repeating = setInterval(() => take(gate, 0), 10);
    await assert
      .rejects(gate.pass(2, going), /acknowledged nothing more for 0.1 s/)
      .finally(() => clearInterval(repeating));
  });

  it('gives up on a head that stays unacknowledged, though the grace allows more', async () => {
    const timer = manualTimer();
    const gate = paidGate({ stallMs: 20, timer });
    take(gate, 0);
    gate.sent(1, true);
    take(gate, 1);
    gate.sent(2, true);
    timer.advance(19);
    await gate.pass(3, going);
    timer.advance(1);
    await assert.rejects(gate.pass(4, going), AckStalledError);
  });

  it('lays no slow token to a client that has acknowledged all there is', async () => {
    const timer = manualTimer();
    const early = paidGate({ stallMs: 20, timer });
    take(early, 0);
    early.sent(1, false);
    take(early, 1);
    // The second token is ready.
    early.sent(1, true);
    timer.advance(20);
    await early.pass(3, going);

    const kept = paidGate({ stallMs: 20, timer });
    take(kept, 0);
    kept.sent(1, true);
    kept.take(signAck(client, { jobId, n: 1 }));
    const passing = kept.pass(2, going);
    kept.open();
    await passing;
    timer.advance(20);
    await kept.pass(3, going);
  });

  it('waits no longer in all than it may, however often the count rises', { timeout: 60_000 }, async () => {
    const gate = paidGate({ maxWaitMs: 100 });
    take(gate, 0);
    const answering = async (): Promise<void> => {
      for (let n = 1; ; n++) {
        gate.sent(n, false);
        setTimeout(() => take(gate, n), 10);
        await gate.pass(n + graceTokens, going);
      }
    };
    await assert.rejects(answering(), /let the answer wait for 0.1 s in all/);
  });

  it('ends its wait with the job', async () => {
    const stop = new AbortController();
    const waiting = paidGate().pass(1, stop.signal);
    const reason = new Error('the client left');
    stop.abort(reason);
    await assert.rejects(waiting, reason);
  });
});

describe('an acknowledgement that is refused changes nothing', () => {
  const stranger = signingKeyFromSeed(new Uint8Array(32).fill(5));
  const refused = {
    'signed by another key': [signAck(stranger, { jobId, n: 5 }), /not signed by the client/],
    'of another job': [signAck(client, { jobId: createScriptedJob({ number: 2 }).jobId, n: 5 }), /not signed/],
    'of another job, signed for this one': [
      signAck(client, { jobId, n: 5 }, { jobId: new Uint8Array(32) }),
      /of another job/,
    ],
    'of more than was sent': [signAck(client, { jobId, n: 11 }), /more than was sent/],
    'of fewer than before': [signAck(client, { jobId, n: 3 }), /n falls/],
    'of a channel': [signAck(client, { jobId, n: 5 }, { account: new Uint8Array(32).fill(4) }), /totals outside/],
    'that is malformed': [signBody(client, kinds.ack, jobId, new Uint8Array(86)), /version/],
  } as const;
  for (const [what, [signed, why]] of Object.entries(refused)) {
    it(what, async () => {
      const gate = paidGate();
      gate.sent(10, false);
      const good = signAck(client, { jobId, n: 4 });
      gate.take(good);
      gate.open();
      assert.throws(() => gate.take(signed), { code: 'E_BAD_PEER', message: why });
      assert.deepEqual([gate.last, gate.ackedTokens, gate.isCancelled], [good, 4, false]);
      assert.equal(await passed(gate), 4 + graceTokens);
    });
  }

  it('more than one repetition after a stop, or of the final head', () => {
    for (const stop of [ackStop.cancel, ackStop.goOn]) {
      const gate = paidGate();
      gate.sent(10, false);
      if (stop === ackStop.goOn) gate.finalHead(10);
      const last = signAck(client, { jobId, n: 10, stop });
      gate.take(last);
      assert.equal(gate.isCancelled, stop === ackStop.cancel);
      gate.take(last);
      assert.throws(() => gate.take(last), { code: 'E_BAD_PEER', message: /nothing else follows/ });
    }
  });

  it('one of an unpaid answer that does not stop it', () => {
    const gate = new AckGate({ jobId, offer });
    gate.sent(10, false);
    assert.throws(() => gate.take(signAck(client, { jobId, n: 5 })), { code: 'E_BAD_PEER', message: /only to stop/ });
    gate.take(signAck(client, { jobId, n: 5, stop: ackStop.cancel }));
    assert.equal(gate.isCancelled, true);
  });
});
