import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { QvacError } from '../../../src/errors.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import type { SignedQuote } from '../../../src/node/job/job.ts';
import { fetchQuote, type QuoteRequest } from '../../../src/node/job/quote.ts';
import type { Peer } from '../../../src/node/peer/peer.ts';
import { signBody } from '../../../src/proofs/signing.ts';
import { encodeCbor } from '../../../src/protocol/codec.ts';
import { quoteProtocol } from '../../../src/protocol/constants.ts';
import { requestDigestOf } from '../../../src/protocol/digests.ts';
import { kinds, modes, payFrom, type Quote } from '../../../src/protocol/messages.ts';
import { startProvider, type TestProvider, testInput } from '../../support/market.ts';
import { startPeer } from '../../support/peers.ts';

const prices = { priceJob: 5_000, priceIn: 100_000, priceOut: 2_000_000 };

/** Requests a quote from a provider whose quotes are valid apart from `change`; they may be malformed. */
async function quoted(context: TestContext, change: Partial<Quote>): Promise<SignedQuote> {
  const lying = (peer: Peer): Peer =>
    new Proxy(peer, {
      get(target, key) {
        const value: unknown = Reflect.get(target, key);
        if (key !== 'handle') return typeof value === 'function' ? value.bind(target) : value;
        const handle: Peer['handle'] = (protocol, handler, options) =>
          target.handle(
            protocol,
            protocol === quoteProtocol
              ? async (stream) => {
                  const ask = await stream.read(['ask']);
                  if (ask === null) return;
                  const { modelId, requestDigest, mode, promptTokens, maxTokens } = ask;
                  const now = Date.now();
                  const quote: Quote = {
                    v: 1,
                    peer: peer.key.publicKey,
                    client: stream.remote.publicKey,
                    modelId,
                    requestDigest,
                    mode,
                    promptTokens,
                    maxTokens,
                    ...prices,
                    grace: 64,
                    deliverWithin: 600,
                    execClass: provider.card().card.execClass ?? new Uint8Array(32),
                    pay: null,
                    issuedAt: now,
                    expiresAt: now + 60_000,
                    nonce: randomBytes(16),
                    ...change,
                  };
                  await stream.write({ t: 'quote', ...signBody(peer.key, kinds.quote, null, encodeCbor(quote)) });
                }
              : handler,
            options,
          );
        return handle;
      },
    });
  const provider = await startProvider(context, { offering: prices, wrapPeer: lying });
  const client = await startPeer(context, { role: 'client' });
  return fetchQuote({ peer: client, clock: systemClock }, requestOf(provider));
}

function requestOf(provider: TestProvider): QuoteRequest {
  return {
    card: provider.card(),
    model: provider.model(),
    requestDigest: requestDigestOf(testInput),
    mode: modes.merkle,
    pay: payFrom.nothing,
    promptTokens: 300,
    maxTokens: 40,
    target: provider.address,
  };
}

test('a quote for the requested model, prompt and length is accepted', async (context) => {
  assert.equal((await quoted(context, {})).quote.promptTokens, 300);
});

test('a provider quotes the grace and the time that its own speed needs', async (context) => {
  const client = await startPeer(context, { role: 'client' });
  for (const [tokensPerSecond, grace, deliverWithin] of [
    [2, 64, 680],
    [100, 64, 600],
    [1_000, 333, 600],
    [100_000, 1_024, 600],
  ] as const) {
    const provider = await startProvider(context, { offering: { ...prices, tokensPerSecond } });
    const { quote } = await fetchQuote({ peer: client, clock: systemClock }, requestOf(provider));
    assert.deepEqual([quote.grace, quote.deliverWithin, quote.mode], [grace, deliverWithin, modes.merkle]);
    assert.deepEqual([quote.priceJob, quote.priceIn, quote.priceOut], Object.values(prices));
  }
});

test('a provider quotes nothing that it does not serve', async (context) => {
  const provider = await startProvider(context, { offering: prices, script: { scoreSlots: 0 } });
  const client = await startPeer(context, { role: 'client' });
  const refused: Readonly<Record<string, Partial<QuoteRequest>>> = {
    'mode zk': { mode: modes.zk },
    'mode score': { mode: modes.score },
    channels: { pay: payFrom.channel },
    'do not fit in the context': { maxTokens: provider.model().context },
  };
  for (const [why, change] of Object.entries(refused))
    await assert.rejects(
      fetchQuote({ peer: client, clock: systemClock }, { ...requestOf(provider), ...change }),
      (error) => error instanceof QvacError && error.details?.remote === 'bad-offer' && error.message.includes(why),
    );
});

test('a quote for more tokens than requested, which would lock more than shown, is refused', async (context) => {
  await assert.rejects(quoted(context, { promptTokens: 301 }), { code: 'E_BAD_PEER' });
  await assert.rejects(quoted(context, { maxTokens: 41 }), { code: 'E_BAD_PEER' });
});

test('a quote that is dearer than the card, each price alone, is refused', async (context) => {
  for (const price of ['priceJob', 'priceIn', 'priceOut'] as const)
    await assert.rejects(quoted(context, { [price]: prices[price] + 1 }), {
      code: 'E_BAD_PEER',
      message: /dearer than the card/,
    });
});

test('a quote for another mode, or one that holds the payment far longer than the answer takes, is refused', async (context) => {
  await assert.rejects(quoted(context, { mode: modes.none }), { code: 'E_BAD_PEER', message: /another mode/ });
  await assert.rejects(quoted(context, { deliverWithin: 86_400 }), {
    code: 'E_BAD_PEER',
    message: /hold the payment for up to 86400 s/,
  });
});

test('a quote with a grace outside 32 to 1,024 tokens, or a price above 2^53 - 1 in all, is malformed', async (context) => {
  for (const change of [{ grace: 31 }, { grace: 1_025 }, { priceJob: 2 ** 53 - 1 }])
    await assert.rejects(quoted(context, change), { code: 'E_BAD_PEER', message: /malformed/ });
});

test('a quote with another class than an outdated card does not count against the provider', async (context) => {
  await assert.rejects(
    quoted(context, { execClass: new Uint8Array(32).fill(7) }),
    (error) => error instanceof QvacError && error.code === 'E_FAILED' && error.details?.remote === 'bad-offer',
  );
});
