import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { systemClock } from '../../../src/lib/clock.ts';
import type { JobId } from '../../../src/lib/types.ts';
import { fetchQuote } from '../../../src/node/job/quote.ts';
import type { Peer } from '../../../src/node/peer/peer.ts';
import type { Deliverable, ProviderPayouts } from '../../../src/node/provider/payment/payouts.ts';
import type { ProviderInit } from '../../../src/node/provider/provider.ts';
import type { FrameStream } from '../../../src/node/streams/streams.ts';
import { decodeHead, isFinal } from '../../../src/proofs/head.ts';
import { ackStallMs, jobProtocol } from '../../../src/protocol/constants.ts';
import { requestDigestOf } from '../../../src/protocol/digests.ts';
import { quotedLamports } from '../../../src/protocol/messages/quote.ts';
import {
  ackStop,
  type Finish,
  finish,
  type Head,
  modes,
  payFrom,
  type Signed,
} from '../../../src/protocol/messages.ts';
import { decodeAck } from '../../../src/protocol/validate.ts';
import { type AckWords, signAck } from '../../support/acks.ts';
import { manualTimer } from '../../support/clock.ts';
import { temporaryHome } from '../../support/home.ts';
import {
  startProvider,
  type TestProvider,
  type TestProviderInit,
  testInput,
  testSampler,
} from '../../support/market.ts';
import { freeOfChannels } from '../../support/paid.ts';
import { startPeer, testIdentity } from '../../support/peers.ts';
import { makeOffer, type RawOffer, readUntil, sendOffer, underQuote } from '../../support/raw-offer.ts';

/** As of a provider of 10 tokens per second. */
const graceTokens = 64;

/** What a provider asks of its payouts. Each payment is locked; no chain is told anything. */
interface Ledger {
  readonly kept: { readonly head: Signed; readonly ack: Signed | null }[];
  readonly delivered: Deliverable[];
  submitted: number;
  declined: number;
}

function payoutsInto(ledger: Ledger, onKept: () => void): ProviderPayouts {
  return {
    pay: { chain: 'solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1', program: new Uint8Array(32), payee: new Uint8Array(32) },
    secure: async () => ({
      late: new AbortController().signal,
      ...freeOfChannels,
      keep: async (state) => {
        if (state === null) return;
        ledger.kept.push({ head: state.head(), ack: state.ack });
        onKept();
      },
      deliver: async (deliverable) => void ledger.delivered.push(deliverable),
      submit: () => void ledger.submitted++,
      decline: () => void ledger.declined++,
    }),
    decline: () => undefined,
    start: async () => undefined,
    stop: async () => undefined,
  };
}

interface PaidStream {
  readonly provider: TestProvider;
  readonly client: Peer;
  readonly stream: FrameStream;
  readonly offer: RawOffer;
  readonly ledger: Ledger;
  ack(n: number, words?: Partial<AckWords>): Promise<void>;
}

interface PaidStreamInit extends Pick<TestProviderInit, 'script' | 'timer' | 'saveReceipt'> {
  /** Called when something was added to `kept`. */
  readonly onKept?: () => void;
}

/** A paid offer whose provider has accepted it, from a client that acknowledges nothing by itself. */
async function startPaid(
  context: TestContext,
  maxTokens: number,
  init: Partial<ProviderInit> = {},
  { onKept = () => undefined, ...rest }: PaidStreamInit = {},
): Promise<PaidStream> {
  const ledger: Ledger = { kept: [], delivered: [], submitted: 0, declined: 0 };
  const provider = await startProvider(context, {
    offering: { priceJob: 1_000, priceIn: 100, priceOut: 2_000, tokensPerSecond: 10 },
    payments: async () => payoutsInto(ledger, onKept),
    provider: init,
    ...rest,
  });
  const client = await startPeer(context, { role: 'client' });
  const signed = await fetchQuote(
    { peer: client, clock: systemClock },
    {
      card: provider.card(),
      model: provider.model(),
      requestDigest: requestDigestOf(testInput),
      mode: modes.merkle,
      pay: payFrom.jobAccount,
      promptTokens: 300,
      maxTokens,
      target: provider.address,
    },
  );
  assert.equal(signed.quote.grace, graceTokens);
  const { vocab, stops } = provider.model();
  const account = new Uint8Array(32).fill(3);
  const offer = makeOffer(provider, client, {
    ...underQuote(signed),
    sampler: { ...testSampler, maxTokens, vocab, stops, extra: null },
    payment: { pay: payFrom.jobAccount, account, amountLamports: quotedLamports(signed.quote) },
  });
  const stream = await sendOffer(provider, client, offer);
  await readUntil(stream, 'accept');
  const ack = (n: number, words: Partial<AckWords> = {}): Promise<void> =>
    stream.write({ t: 'ack', ...signAck(client.key, { jobId: offer.jobId, n, ...words }) });
  return { provider, client, stream, offer, ledger, ack };
}

/** Reads at least `tokens` tokens, and on until the provider has sent nothing for 2 s. @returns how many came */
async function untilIdle(stream: FrameStream, tokens: number): Promise<number> {
  for (let received = 0; ; ) {
    const { before } = await readUntil(stream, 'beat');
    for (const frame of before) if (frame.t === 'tokens') received += frame.tokens.length;
    if (received >= tokens) return received;
  }
}

/** Reads until the final head. */
async function untilFinal(stream: FrameStream): Promise<Head> {
  for (;;) {
    const head = decodeHead((await readUntil(stream, 'head')).found.body);
    if (isFinal(head)) return head;
  }
}

/** What was delivered: the counts of the head and of the acknowledgement, and how the answer ended. */
function deliveries({ delivered }: Ledger): readonly (readonly [n: number, acked: number, reason: Finish])[] {
  return delivered.map(({ head, ack }) => {
    const { n, finish: reason } = decodeHead(head.body);
    return [n, decodeAck(ack.body).n, reason];
  });
}

test('a paid answer goes no further than its acknowledgements and the grace allow', async (context) => {
  const { stream, ledger, ack } = await startPaid(context, 200);
  assert.equal(await untilIdle(stream, 0), 0);
  await ack(0);
  assert.equal(await untilIdle(stream, 1), 1);
  await ack(1);
  assert.equal(await untilIdle(stream, graceTokens), graceTokens);
  await ack(64);
  assert.equal(await untilIdle(stream, 63), 63);
  // What another process could submit if this one ended now.
  const { head, ack: kept } = ledger.kept.at(-1) ?? assert.fail('nothing kept');
  assert.equal(decodeHead(head.body).finish, finish.brokenOff);
  assert.equal(decodeAck(kept?.body ?? assert.fail('no acknowledgement kept')).n, 64);
  await ack(128);
  assert.equal(await untilIdle(stream, 64), 64);
  assert.deepEqual(ledger.delivered, []);
  await ack(192);
  assert.equal((await untilFinal(stream)).finish, finish.length);
  assert.deepEqual([deliveries(ledger), ledger.declined], [[[200, 192, finish.length]], 0]);
});

test('without any acknowledgement an answer ends with finish 3 over nothing, and the client is refunded', async (context) => {
  const { provider, stream, ledger } = await startPaid(context, 40, { ackStallMs: 100 });
  const { n, finish: reason } = await untilFinal(stream);
  assert.deepEqual([n, reason], [0, finish.brokenOff]);
  assert.deepEqual([ledger.delivered, ledger.declined, provider.engine.slots.used], [[], 1, 0]);
});

test('once the acknowledgements stop, an answer ends with finish 3 over what was sent, and is due up to the grace', async (context) => {
  const timer = manualTimer();
  const { provider, stream, ledger, ack } = await startPaid(context, 200, {}, { timer });
  await ack(0);
  await readUntil(stream, 'tokens');
  await ack(1);
  await untilIdle(stream, graceTokens);
  timer.advance(ackStallMs);
  const { n, finish: reason } = await untilFinal(stream);
  assert.deepEqual([n, reason], [1 + graceTokens, finish.brokenOff]);
  assert.deepEqual(deliveries(ledger), [[1 + graceTokens, 1, finish.brokenOff]]);
  assert.equal(provider.engine.slots.used, 0);
});

test('a slow provider does not break off an answer of which everything is acknowledged', {
  timeout: 60_000,
}, async (context) => {
  const timer = manualTimer();
  const isKept = Promise.withResolvers<void>();
  const beforeStep = async (step: number): Promise<void> => {
    // The first token is acknowledged while the second is being computed.
    if (step === 1) await isKept.promise;
    else if (step > 1) timer.advance(ackStallMs);
  };
  const onKept = (): void => {
    const { ack: kept } = ledger.kept.at(-1) ?? assert.fail('nothing kept');
    if (kept !== null && decodeAck(kept.body).n === 1) isKept.resolve();
  };
  const { stream, ledger, ack } = await startPaid(context, 6, {}, { timer, script: { beforeStep }, onKept });
  await ack(0);
  await readUntil(stream, 'tokens');
  await ack(1);
  const { n, finish: reason } = await untilFinal(stream);
  assert.deepEqual([n, reason], [6, finish.length]);
});

test('the final head of a paid answer waits until a later process could open it, and its submission for both', {
  timeout: 60_000,
}, async (context) => {
  const home = await temporaryHome(context);
  const kept = { notes: join(home, 'notes'), steps: join(home, 'steps') };
  const [saving, disk] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const saveReceipt = (): Promise<void> => {
    saving.resolve();
    return disk.promise;
  };
  const { provider, client, stream, ledger, ack } = await startPaid(context, 6, { kept }, { saveReceipt });
  await ack(0);
  await readUntil(stream, 'tokens');
  await ack(1);
  let isOnDisk = false;
  const final = untilFinal(stream).then(() => isOnDisk);
  await saving.promise;
  // A round trip on the same connection: what was sent before it has arrived.
  await client.open(provider.address, jobProtocol);
  assert.deepEqual([ledger.delivered.length, ledger.submitted], [1, 0]);
  isOnDisk = true;
  disk.resolve();
  assert.equal(await final, true);
  assert.equal(ledger.submitted, 1);
  assert.equal((await readdir(kept.notes)).length, 1);
});

test('a client that leaves owes what it acknowledged, and nothing if it acknowledged nothing', async (context) => {
  const begun = await startPaid(context, 200);
  await begun.ack(0);
  await readUntil(begun.stream, 'tokens');
  await begun.ack(1);
  await untilIdle(begun.stream, graceTokens);
  begun.stream.abort(new Error('gone'));
  await begun.provider.events.until('job-finished');
  assert.deepEqual([deliveries(begun.ledger), begun.ledger.declined], [[[1 + graceTokens, 1, finish.brokenOff]], 0]);

  const silent = await startPaid(context, 200);
  silent.stream.abort(new Error('gone'));
  await silent.provider.events.until('job-failed');
  assert.deepEqual([silent.ledger.delivered, silent.ledger.declined], [[], 1]);
});

test('an acknowledgement that is forged, replayed, or of tokens never sent is a bad frame, and the last good one counts', async (context) => {
  const stranger = await testIdentity();
  const bad: Readonly<Record<string, (paid: PaidStream) => Promise<void>>> = {
    'of more than was sent': ({ ack }) => ack(2 + graceTokens),
    'replayed, below a later one': ({ ack }) => ack(0),
    'of another job': ({ ack }) => ack(2, { jobId: 'ab'.repeat(32) as JobId }),
    'signed by another peer': ({ stream, offer: { jobId } }) =>
      stream.write({ t: 'ack', ...signAck(stranger.signingKey, { jobId, n: 2 }) }),
  };
  for (const [what, send] of Object.entries(bad))
    await context.test(what, async (inner) => {
      const paid = await startPaid(inner, 200);
      const { provider, stream, ledger, ack } = paid;
      await ack(0);
      await readUntil(stream, 'tokens');
      await ack(1);
      await untilIdle(stream, graceTokens);
      await send(paid);
      assert.equal((await untilFinal(stream)).finish, finish.brokenOff);
      assert.equal((await readUntil(stream, 'error')).found.code, 'bad-frame');
      assert.deepEqual(deliveries(ledger), [[1 + graceTokens, 1, finish.brokenOff]]);
      assert.equal(provider.engine.slots.used, 0);
    });
});

test('an acknowledgement sent twice counts once', async (context) => {
  const { stream, ledger, ack } = await startPaid(context, 200);
  await ack(0);
  await readUntil(stream, 'tokens');
  for (let time = 0; time < 3; time++) await ack(1);
  assert.equal(await untilIdle(stream, graceTokens), graceTokens);
  await ack(64, { stop: ackStop.cancel });
  const { n, finish: reason } = await untilFinal(stream);
  assert.deepEqual([n, reason], [1 + graceTokens, finish.cancelled]);
  assert.deepEqual(deliveries(ledger), [[1 + graceTokens, 64, finish.cancelled]]);
});

test('an answer of one token is complete once that is acknowledged', async (context) => {
  const { stream, ledger, ack } = await startPaid(context, 1);
  await ack(0);
  assert.equal(await untilIdle(stream, 1), 1);
  await ack(1);
  assert.equal((await untilFinal(stream)).finish, finish.length);
  assert.deepEqual(deliveries(ledger), [[1, 1, finish.length]]);

  const timer = manualTimer();
  const unacknowledged = await startPaid(context, 1, {}, { timer });
  await unacknowledged.ack(0);
  await readUntil(unacknowledged.stream, 'tokens');
  await timer.waiting();
  timer.advance(ackStallMs);
  assert.equal((await untilFinal(unacknowledged.stream)).finish, finish.length);
  assert.deepEqual(deliveries(unacknowledged.ledger), [[1, 0, finish.length]]);
});
