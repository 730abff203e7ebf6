import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { systemClock } from '../../../src/lib/clock.ts';
import type { Job } from '../../../src/node/job/job.ts';
import { fetchQuote } from '../../../src/node/job/quote.ts';
import type { Peer } from '../../../src/node/peer/peer.ts';
import type { FrameStream } from '../../../src/node/streams/streams.ts';
import { cancelGraceTokens } from '../../../src/protocol/constants.ts';
import { requestDigestOf } from '../../../src/protocol/digests.ts';
import { priceLamports } from '../../../src/protocol/price.ts';
import { createGate } from '../../support/gate.ts';
import { openTestJob, startProvider, type TestProvider, testInput, testSampler } from '../../support/market.ts';
import {
  clientPayments,
  type PaidClient,
  type PaidProvider,
  providerPayments,
  startChain,
} from '../../support/payments.ts';
import { startPeer } from '../../support/peers.ts';

// Clients that leave a paid answer without a cancel.

const prices = { priceIn: 100_000, priceOut: 2_000_000 };

/** `peer` with `methods` replaced. */
function withMethods(peer: Peer, methods: Partial<Peer>): Peer {
  return new Proxy(peer, {
    get(target, key) {
      const value: unknown = Reflect.get(key in methods ? methods : target, key);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** `peer`, which calls `lost` when a stream that it serves breaks or carries a challenge. */
function noticing(peer: Peer, lost: () => void): Peer {
  const wrapped = (stream: FrameStream): FrameStream => ({
    remote: stream.remote,
    async read(allowed, options) {
      let frame: Awaited<ReturnType<typeof stream.read>> | undefined;
      try {
        return (frame = await stream.read(allowed, options));
      } finally {
        if (frame === undefined || frame?.t === 'challenge') setImmediate(lost);
      }
    },
    readRaw: (allowed, options) => stream.readRaw(allowed, options),
    write: (frame, options) => stream.write(frame, options),
    forward: (bytes, options) => stream.forward(bytes, options),
    close: (options) => stream.close(options),
    abort: (reason) => stream.abort(reason),
  });
  return withMethods(peer, {
    handle: (protocol, handler, options) => peer.handle(protocol, (stream) => handler(wrapped(stream)), options),
  });
}

interface HeldUp {
  readonly provider: TestProvider;
  readonly paid: PaidProvider;
  readonly client: PaidClient;
  /** A job of `maxTokens` tokens, held up once the requested number was sent. */
  readonly job: Job;
  /** The client's side of the job. */
  readonly stream: FrameStream;
  /** What the client locked. */
  readonly locked: bigint;
  /** Resolves when the provider has noticed that its client left. */
  readonly lost: Promise<void>;
  /** Lets the provider continue. */
  goOn(): void;
  warp(seconds: number): Promise<void>;
}

/** A paid answer that is held up after `sent` tokens. */
async function startHeldUp(
  context: TestContext,
  { sent, maxTokens }: { readonly sent: number; readonly maxTokens: number },
): Promise<HeldUp> {
  const chain = await startChain(context);
  const gate = createGate(sent);
  const lost = Promise.withResolvers<void>();
  const paid = Promise.withResolvers<PaidProvider>();
  const provider = await startProvider(context, {
    offering: prices,
    script: { beforeStep: gate.beforeStep },
    wrapPeer: (peer) => noticing(peer, lost.resolve),
    async payments(peer) {
      paid.resolve(await providerPayments(context, chain, peer));
      return (await paid.promise).payments;
    },
  });
  const client = await clientPayments(context, chain);
  const sampler = { ...testSampler, maxTokens };
  const peer = await startPeer(context, { role: 'client' });
  const quote = await fetchQuote(
    { peer, clock: systemClock },
    {
      card: provider.card(),
      model: provider.model(),
      requestDigest: requestDigestOf(testInput),
      promptTokens: 500,
      maxTokens,
      target: provider.address,
    },
  );
  const wallet = await client.payments.open();
  const payment = await wallet.plan(quote.quote, { maxTokens, maxPrice: Number.MAX_SAFE_INTEGER });
  let stream: FrameStream | undefined;
  const open: Peer['open'] = async (...args) => (stream = await peer.open(...args));
  const { job } = await openTestJob(
    context,
    provider,
    { sampler, quote, payment, lock: async (order) => void (await wallet.lock({ ...order, quote: quote.quote })) },
    withMethods(peer, { open }),
  );
  await Promise.all([gate.reached, receive(job, sent)]);
  if (stream === undefined) throw new Error('it has no stream');
  return {
    provider,
    paid: await paid.promise,
    client,
    job,
    stream,
    locked: BigInt(payment.amount),
    lost: lost.promise,
    goOn: () => gate.open(),
    warp: (seconds) => chain.warp(seconds),
  };
}

/** Takes `count` tokens. Ignores later errors. */
async function receive(job: Job, count: number): Promise<void> {
  const enough = Promise.withResolvers<void>();
  const reading = (async () => {
    for await (const { t } of job.frames()) if (t !== 'beat' && job.received.n >= count) enough.resolve();
  })();
  reading.then(
    () => enough.reject(new Error('it ended')),
    (error: unknown) => enough.reject(error as Error),
  );
  await enough.promise;
}

test('a client that leaves just before the end pays: the provider completes the answer', async (context) => {
  const maxTokens = 40;
  const { provider, paid, client, job, lost, goOn, warp } = await startHeldUp(context, {
    sent: maxTokens - 1,
    maxTokens,
  });
  job.abort(new Error('gone'));
  await lost;
  goOn();
  const { news } = await paid.news.until('submitted');
  const promptCount = provider.receipts.get(job.jobId)?.promptTokens.length ?? job.received.promptTokens.length;
  const price = priceLamports({ promptCount, n: maxTokens, ...prices });
  assert.equal(news.lamports, price);
  await warp(301);
  assert.equal((await paid.news.until('paid')).news.lamports, price);
  // The client gets back what it locked above the price.
  const [left] = await (await client.payments.open()).resume();
  assert.deepEqual([left?.settlement.state, left?.settlement.paid], ['claimed', price]);
  assert.equal(
    left?.settlement.paid === undefined ? null : left.settlement.paid + left.settlement.refunded,
    left?.settlement.locked,
  );
});

test('no client pays more than for a cancel: an answer whose end is further away is declined', async (context) => {
  const sent = 8;
  const { provider, paid, client, job, locked, lost, goOn } = await startHeldUp(context, {
    sent,
    maxTokens: sent + cancelGraceTokens + 1,
  });
  const before = await client.escrow.balance();
  job.abort(new Error('gone'));
  await lost;
  goOn();
  await paid.news.until('declined');
  await provider.events.until('job-failed');
  assert.equal(provider.engine.slots.used, 0);
  const [left] = await (await client.payments.open()).resume();
  assert.deepEqual([left?.settlement.state, left?.settlement.refunded], ['declined', locked]);
  assert.ok((await client.escrow.balance()) >= before + locked);
  assert.equal(
    paid.news.all.some(({ event }) => event === 'submitted'),
    false,
  );
});

test('an answer whose end is exactly as far away as a cancel would cost is submitted', async (context) => {
  const sent = 8;
  const { paid, job, lost, goOn } = await startHeldUp(context, { sent, maxTokens: sent + cancelGraceTokens });
  job.abort(new Error('gone'));
  await lost;
  goOn();
  assert.ok((await paid.news.until('submitted')).news.lamports > 0n);
});

test('a client that breaks the protocol at the last moment receives an error, and pays', async (context) => {
  const maxTokens = 40;
  const { paid, job, stream, lost, goOn } = await startHeldUp(context, { sent: maxTokens - 1, maxTokens });
  await stream.write({ t: 'challenge', secret: new Uint8Array(32) });
  await lost;
  goOn();
  assert.ok((await paid.news.until('submitted')).news.lamports > 0n);
  assert.notEqual(job.received.final, null);
});

test('a client that leaves before its first token is refunded', async (context) => {
  const { paid, job, lost, goOn } = await startHeldUp(context, { sent: 0, maxTokens: 8 });
  job.abort(new Error('gone'));
  await lost;
  goOn();
  await paid.news.until('declined');
});
