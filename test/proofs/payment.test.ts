import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fromHex } from '../../src/lib/bytes.ts';
import type { JobId } from '../../src/lib/types.ts';
import { createAckState } from '../../src/proofs/payment/ack-state.ts';
import { type ChannelEnding, channelPayouts, createChannelState } from '../../src/proofs/payment/channel-state.ts';
import { MalformedError } from '../../src/protocol/codec.ts';
import { type Ack, type AckStop, ackStop, type PayFrom, payFrom, type Result } from '../../src/protocol/messages.ts';
import { readVectors } from '../support/vectors.ts';

interface AckEvent {
  readonly event: 'ack';
  readonly job: string;
  readonly n: number;
  readonly stop: AckStop;
  readonly committed: string;
  readonly released: string;
  readonly taken: boolean;
  readonly why: string;
  readonly maySend: number | null;
}

interface AckVectors {
  readonly channel: string;
  readonly sequences: readonly {
    what: string;
    pay: PayFrom;
    grace: number;
    score: boolean;
    maySendFirst: number | null;
    events: readonly (
      | AckEvent
      | { event: 'sent'; n: number }
      | { event: 'finalHead'; n: number }
      | { event: 'verdict' }
    )[];
  }[];
}

interface ChannelVectors {
  readonly sequences: readonly {
    what: string;
    deposit: string;
    window: string;
    events: readonly (
      | AckEvent
      | {
          event: 'job';
          job: string;
          priceJob: string;
          priceIn: string;
          priceOut: string;
          promptCount: number;
          score: boolean;
          amount: string;
          at: number;
          taken: boolean;
          why: string;
        }
      | { event: 'final'; job: string; at: number; n: number }
      | { event: 'verdict'; job: string; result: Result }
    )[];
    committed: string;
    released: string;
    payouts: Readonly<Record<ChannelEnding, { provider: string; payer: string; burnt: string }>>;
  }[];
}

const zeros = new Uint8Array(32);

describe('section 4: acknowledgements of one job', () => {
  const { channel, sequences } = readVectors('ack.json') as AckVectors;
  const jobId = 'ab'.repeat(32) as JobId;

  for (const { what, pay, grace, score, maySendFirst, events } of sequences) {
    it(what, () => {
      const account = pay === payFrom.channel ? fromHex(channel) : zeros;
      const state = createAckState({ jobId, pay, account, graceTokens: grace, isScore: score });
      assert.equal(state.maxTokens, maySendFirst ?? Infinity);
      for (const event of events) {
        if (event.event === 'sent') state.sent(event.n);
        else if (event.event === 'finalHead') state.finalHead(event.n);
        else if (event.event === 'verdict') state.verdict();
        else {
          const ack: Ack = {
            version: 1,
            jobId: fromHex(jobId),
            n: event.n,
            stop: event.stop,
            account,
            committedLamports: BigInt(event.committed),
            releasedLamports: BigInt(event.released),
          };
          const before = state.last;
          assert.equal(state.refusalOf(ack) ?? '', event.why);
          if (event.taken) state.take(ack);
          else assert.throws(() => state.take(ack), MalformedError);
          assert.equal(state.last, event.taken ? ack : before);
          assert.equal(state.maxTokens, event.maySend ?? Infinity);
        }
      }
    });
  }

  const paid = { jobId, pay: payFrom.jobAccount, account: zeros, graceTokens: 64, isScore: false };
  const ackOf = (changes: Partial<Ack>): Ack => ({
    version: 1,
    jobId: fromHex(jobId),
    n: 0,
    stop: ackStop.goOn,
    account: zeros,
    committedLamports: 0n,
    releasedLamports: 0n,
    ...changes,
  });

  it('takes none of another job, channel or kind', () => {
    const state = createAckState(paid);
    assert.equal(state.refusalOf(ackOf({ jobId: zeros })), 'of another job');
    assert.equal(state.refusalOf(ackOf({ stop: ackStop.noObjection })), 'it closes a channel');
    assert.equal(state.refusalOf(ackOf({ account: fromHex(channel) })), 'totals outside a channel');
    const inChannel = createAckState({ ...paid, pay: payFrom.channel, account: fromHex(channel) });
    assert.equal(inChannel.refusalOf(ackOf({})), 'of another channel');
  });

  it('knows a stop that came before the final head from one that crossed it', () => {
    const stopped = createAckState(paid);
    stopped.sent(5);
    stopped.take(ackOf({ n: 3, stop: ackStop.cancel }));
    assert.deepEqual([stopped.isCancelled, stopped.isClosed], [true, true]);
    const crossed = createAckState(paid);
    crossed.finalHead(5);
    crossed.take(ackOf({ n: 3, stop: ackStop.cancel }));
    assert.deepEqual([crossed.isCancelled, crossed.isClosed], [false, true]);
  });
});

describe('section 9: what a provider takes in a channel', () => {
  const { sequences } = readVectors('channel.json') as ChannelVectors;
  for (const { what, deposit, window, events, committed, released, payouts } of sequences) {
    it(what, () => {
      const state = createChannelState({ depositLamports: BigInt(deposit), windowLamports: BigInt(window) });
      for (const event of events) {
        const jobId = event.job as JobId;
        if (event.event === 'job') {
          assert.equal(state.jobRefusal(event.at) ?? '', event.why);
          if (event.taken) state.addJob(jobId, jobOf(event));
        } else if (event.event === 'final') state.end(jobId, event.n, event.at);
        else if (event.event === 'verdict') state.verdict(jobId, event.result);
        else {
          const totals = { committedLamports: BigInt(event.committed), releasedLamports: BigInt(event.released) };
          assert.equal(state.refusalOf(jobId, { ...totals, n: event.n }) ?? '', event.why);
          if (event.taken) state.take(jobId, { ...totals, n: event.n, isStop: event.stop === ackStop.cancel });
        }
      }
      assert.deepEqual(state.totals, { committedLamports: BigInt(committed), releasedLamports: BigInt(released) });
      for (const ending of ['no objection', 'silence', 'rejected'] as const) {
        const { provider, payer, burnt } = payouts[ending];
        assert.deepEqual(channelPayouts(BigInt(deposit), state.totals, ending), {
          providerLamports: BigInt(provider),
          payerLamports: BigInt(payer),
          burntLamports: BigInt(burnt),
        });
      }
    });
  }

  const init = { depositLamports: 10_000n, windowLamports: 5_000n };
  const job = jobOf({ priceJob: '1000', priceIn: '0', priceOut: '1000', promptCount: 0, score: false, amount: '1100' });
  const [a, b, c] = ['a', 'b', 'c'] as JobId[] as [JobId, JobId, JobId];

  it('lets any acknowledgement release a job whose stream is gone', () => {
    const state = createChannelState(init);
    state.addJob(a, job);
    state.take(a, { n: 5, committedLamports: 1_005n, releasedLamports: 0n, isStop: false });
    state.end(a, 8, 100);
    assert.match(state.jobRefusal(101) ?? '', /waits for its last acknowledgement/);
    state.leave(a);
    assert.equal(state.jobRefusal(101), null);
    assert.match(state.jobRefusal(161) ?? '', /neither released nor failed/);
    state.addJob(b, job);
    state.take(b, { n: 0, committedLamports: 2_005n, releasedLamports: 1_005n, isStop: false });
    assert.equal(state.jobRefusal(161), null);
  });

  it('keeps a job whose stream broke until it has ended', () => {
    const state = createChannelState({ ...init, windowLamports: 1_500n });
    state.addJob(a, job);
    state.addJob(b, job);
    state.leave(a);
    state.leave(b);
    assert.match(state.jobRefusal(1) ?? '', /window/);
    state.end(a, 8, 1);
    assert.equal(state.jobRefusal(1), null);
    state.end(b, 0, 1);
    assert.equal(state.jobRefusal(1_000), null);
  });

  it('counts what forgotten jobs were committed for', () => {
    const state = createChannelState(init);
    state.addJob(a, job);
    state.take(a, { n: 1, committedLamports: 1_001n, releasedLamports: 0n, isStop: true });
    state.end(a, 1, 1);
    state.take(a, { n: 1, committedLamports: 1_001n, releasedLamports: 1_001n, isStop: true });
    state.leave(a);
    assert.equal(state.refusalOf(a, { n: 1, committedLamports: 1_001n, releasedLamports: 1_001n }) !== null, true);
    state.addJob(b, job);
    assert.equal(
      state.refusalOf(b, { n: 1, committedLamports: 2_001n, releasedLamports: 1_001n }),
      'committed is below the sum 2002',
    );
    assert.equal(state.refusalOf(b, { n: 1, committedLamports: 2_002n, releasedLamports: 1_001n }), null);
  });

  it('goes on with the totals of an earlier process', () => {
    const state = createChannelState({ ...init, totals: { committedLamports: 3_000n, releasedLamports: 2_000n } });
    state.addJob(c, job);
    assert.equal(
      state.refusalOf(c, { n: 0, committedLamports: 3_999n, releasedLamports: 2_000n }),
      'committed is below the sum 4000',
    );
    assert.equal(state.refusalOf(c, { n: 0, committedLamports: 4_000n, releasedLamports: 2_000n }), null);
  });

  it('does not know the jobs of other channels', () => {
    assert.ok(createChannelState(init).refusalOf(a, { n: 0, committedLamports: 0n, releasedLamports: 0n }) !== null);
  });
});

function jobOf(fields: {
  readonly priceJob: string;
  readonly priceIn: string;
  readonly priceOut: string;
  readonly promptCount: number;
  readonly score: boolean;
  readonly amount: string;
}) {
  return {
    prices: {
      priceJobLamports: BigInt(fields.priceJob),
      priceInLamports: BigInt(fields.priceIn),
      priceOutLamports: BigInt(fields.priceOut),
    },
    promptCount: fields.promptCount,
    isScore: fields.score,
    amountLamports: BigInt(fields.amount),
  };
}
