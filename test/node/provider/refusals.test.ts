import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Clock, systemClock } from '../../../src/lib/clock.ts';
import type { SignedQuote } from '../../../src/node/job/job.ts';
import { fetchQuote, type QuoteRequest } from '../../../src/node/job/quote.ts';
import type { Peer } from '../../../src/node/peer/peer.ts';
import type { ProviderPayouts } from '../../../src/node/provider/payment/payouts.ts';
import { encodeCbor } from '../../../src/protocol/codec.ts';
import { requestDigestOf } from '../../../src/protocol/digests.ts';
import { type GrammarRules, grammarDigestOf } from '../../../src/protocol/grammar/rules.ts';
import { breakMark } from '../../../src/protocol/input/control-text.ts';
import { extraDigestOf } from '../../../src/protocol/messages/extra.ts';
import { quotedLamports } from '../../../src/protocol/messages/quote.ts';
import { type Input, modes, type Offer, payFrom } from '../../../src/protocol/messages.ts';
import { encodeExtra } from '../../../src/protocol/validate.ts';
import { movedClock } from '../../support/clock.ts';
import { temporaryHome } from '../../support/home.ts';
import { startProvider, type TestProvider, testInput, testSampler } from '../../support/market.ts';
import { freeOfChannels } from '../../support/paid.ts';
import { startPeer, testIdentity } from '../../support/peers.ts';
import {
  firstFrame,
  makeOffer,
  type RawOffer,
  type RawOfferInit,
  sendOffer,
  underQuote,
} from '../../support/raw-offer.ts';
import { createScriptedEngine, scriptedStop, scriptedTurn, scriptedVocab } from '../../support/scripted-engine.ts';

const other = new Uint8Array(32).fill(7);

/** One market for all offers to be refused. */
async function start(context: TestContext): Promise<{ provider: TestProvider; client: Peer }> {
  return { provider: await startProvider(context), client: await startPeer(context, { role: 'client' }) };
}

async function answerTo(provider: TestProvider, client: Peer, offer: RawOffer): Promise<string> {
  const stream = await sendOffer(provider, client, offer);
  const frame = await firstFrame(stream);
  stream.abort(new Error('seen enough'));
  return frame?.t === 'error' ? `${frame.code}: ${frame.message}` : (frame?.t ?? 'end');
}

test('section 4: a provider refuses an offer that breaks a rule, each by its code', async (context) => {
  const { provider, client } = await start(context);
  const stranger = await testIdentity();
  const now = BigInt(Date.now());
  const model = provider.model();
  const sampler = { ...testSampler, vocab: model.vocab, stops: model.stops, extra: null };
  const nothing = { pay: payFrom.nothing, account: new Uint8Array(32), amountLamports: 0n };
  const { terms } = makeOffer(provider, client).offer;
  const rules: readonly (readonly [name: string, change: Partial<Offer>, expected: RegExp])[] = [
    ['not addressed to it', { provider: other }, /^bad-offer: .*another provider/],
    ['by another than the remote peer', { client: stranger.signingKey.publicKey }, /^bad-offer: /],
    [
      'expired',
      { issuedAt: now - 110_000n, expiresAt: now - 10_000n },
      /^bad-offer: .*expired: .* 1[12]\d(\.\d)? s behind/,
    ],
    [
      'issued more than 60 s in the future',
      { issuedAt: now + 120_000n, expiresAt: now + 180_000n },
      /^bad-offer: .*future: .* 1[12]\d(\.\d)? s ahead of/,
    ],
    ['for a model that is not served', { modelId: other }, /^no-model: /],
    ['of another execution class', { execClass: other }, /^bad-offer: .*class/],
    ['in a mode that is not on the card', { mode: modes.zk }, /^bad-offer: .*mode zk/],
    ['to score an answer that is not there', { mode: modes.score }, /^bad-offer: .*tokens to score/],
    ['with another vocab', { sampler: { ...sampler, vocab: model.vocab + 1 } }, /^bad-offer: .*vocab/],
    ['with other stops', { sampler: { ...sampler, stops: [] } }, /^bad-offer: .*stops/],
    ['with a quote that is not ours', { quote: other }, /^bad-offer: .*quote/],
    [
      'with a payment but no quote',
      { payment: { pay: payFrom.jobAccount, account: other, amountLamports: 1n } },
      /^bad-offer: .*payment without a quote/,
    ],
    ['with an amount but no quote', { payment: { ...nothing, amountLamports: 1n } }, /^bad-offer: .*without a quote/],
    ['with terms but no quote', { terms: { ...terms, grace: 64 } }, /^bad-offer: .*terms without a quote/],
    [
      'that pays from a channel',
      { quote: other, payment: { pay: payFrom.channel, account: other, amountLamports: 0n } },
      /^bad-offer: .*the quote is unknown/,
    ],
    ['whose input is another', { requestDigest: other }, /^bad-offer: .*input/],
    ['whose start is not the length of the continuation', { start: 1 }, /^bad-offer: .*start/],
    [
      'that does not fit in the context',
      { sampler: { ...sampler, maxTokens: model.context } },
      /^bad-offer: .*context/,
    ],
  ];
  for (const [name, change, expected] of rules) {
    const key = name.startsWith('by another') ? stranger.signingKey : client.key;
    assert.match(await answerTo(provider, client, makeOffer(provider, client, change, { key })), expected, name);
  }
  assert.equal(provider.engine.slots.used, 0);
  assert.equal(await answerTo(provider, client, makeOffer(provider, client)), 'accept');
});

test('settings that are malformed, too large, not the offer’s or not served are refused', async (context) => {
  const { provider, client } = await start(context);
  const model = provider.model();
  const sampler = { ...testSampler, vocab: model.vocab, stops: model.stops };
  const grammar: GrammarRules = [[[[0x61, 0x7a]]]];
  const grammarExtra = (offered: GrammarRules): Uint8Array =>
    encodeExtra({ grammar: grammarDigestOf(offered), vocabDigest: model.vocabDigest });
  const barren: GrammarRules = [[[1]], [[[0x61, 0x61], 1]]];
  const large: GrammarRules = [Array.from({ length: 10_000 }, (_, at) => [[at, at + 1]])];
  // What may follow a rule may follow all before it: 3,000,000 ways at the start.
  const bomb: GrammarRules = [
    ...Array.from({ length: 2_500 }, (_, at) => [[at + 1], [at + 1, [0x61, 0x61]]]),
    [[[0x61, 0x61]]],
  ];
  const rules: readonly (readonly [name: string, init: RawOfferInit, expected: RegExp, change?: Partial<Offer>])[] = [
    ['no map', { extra: Uint8Array.of(0xff) }, /^bad-offer: .*settings are malformed/],
    ['a neutral value', { extra: encodeCbor({ presence: 0 }) }, /^bad-offer: .*settings are malformed/],
    ['an unknown key', { extra: encodeCbor({ loudness: 1 }) }, /^bad-offer: .*settings are malformed/],
    [
      'a bias outside the vocabulary',
      { extra: encodeExtra({ bias: [[scriptedVocab, 1]] }) },
      /^bad-offer: .*outside the vocabulary/,
    ],
    [
      'more than the offer names',
      { extra: new Uint8Array() },
      /^bad-offer: .*not the offer’s/,
      { sampler: { ...sampler, extra: other } },
    ],
    [
      'other ones than the offer names',
      { extra: encodeExtra({ presence: 1 }) },
      /^bad-offer: .*not the offer’s/,
      { sampler: { ...sampler, extra: extraDigestOf(encodeExtra({ presence: 2 })) } },
    ],
    ['a text of 64 KiB', { extra: encodeExtra({ stopTexts: ['x'.repeat(1 << 16)] }) }, /^bad-offer: .*65\d\d\d bytes/],
    ['a grammar that they do not name', { grammar }, /^bad-offer: .*grammar is not the offer/],
    ['no grammar where they name one', { extra: grammarExtra(grammar) }, /^bad-offer: .*grammar is not the offer/],
    ['another grammar', { extra: grammarExtra([[[0]]]), grammar }, /^bad-offer: .*grammar is not the offer/],
    [
      'a grammar for another vocabulary',
      { extra: encodeExtra({ grammar: grammarDigestOf(grammar), vocabDigest: other }), grammar },
      /^bad-offer: .*another vocabulary/,
    ],
    ['no list of rules', { extra: grammarExtra(grammar), grammar: 'root ::= "a"' }, /^bad-input: .*list of rules/],
    ['left recursion', { extra: grammarExtra([[[0], []]]), grammar: [[[0], []]] }, /^bad-input: .*left-recursive/],
    ['a rule without a text', { extra: grammarExtra(barren), grammar: barren }, /^bad-input: .*derives no text/],
    ['a grammar of 100 KiB', { extra: grammarExtra(large), grammar: large }, /^bad-input: .*at most 65536 bytes/],
    ['a grammar that explodes', { extra: grammarExtra(bomb), grammar: bomb }, /^bad-input: .*costs too much/],
  ];
  for (const [name, init, expected, change] of rules)
    assert.match(await answerTo(provider, client, makeOffer(provider, client, change, init)), expected, name);
  assert.equal(provider.engine.slots.used, 0);
  const extra = encodeExtra({ presence: 100, bias: [[1, -5]], stopTexts: ['\n\n'] });
  assert.equal(await answerTo(provider, client, makeOffer(provider, client, {}, { extra })), 'accept');
});

test('an offer signed by another key, or altered after it was signed, is refused', async (context) => {
  const { provider, client } = await start(context);
  const stranger = await testIdentity();
  assert.match(
    await answerTo(provider, client, makeOffer(provider, client, {}, { key: stranger.signingKey })),
    /^bad-offer: .*signature/,
  );
  const offer = makeOffer(provider, client);
  const altered = makeOffer(provider, client, { ...offer.offer, sampler: { ...offer.offer.sampler, temperature: 0 } });
  assert.match(
    await answerTo(provider, client, { ...altered, signed: { ...altered.signed, sig: offer.signed.sig } }),
    /^bad-offer: .*signature/,
  );
});

test('an offer with a malformed body is refused', async (context) => {
  const { provider, client } = await start(context);
  const offer = makeOffer(provider, client);
  const body = offer.signed.body.slice(0, -1);
  assert.match(
    await answerTo(provider, client, { ...offer, signed: { ...offer.signed, body } }),
    /^bad-offer: .*malformed/,
  );
});

test('a replayed offer is refused, even if it was never served', async (context) => {
  const { provider, client } = await start(context);
  const offer = makeOffer(provider, client);
  assert.equal(await answerTo(provider, client, offer), 'accept');
  assert.match(await answerTo(provider, client, offer), /^bad-offer: .*seen before/);
  const refused = makeOffer(provider, client, { requestDigest: new Uint8Array(32) });
  assert.match(await answerTo(provider, client, refused), /input/);
  assert.match(await answerTo(provider, client, refused), /seen before/);
});

test('a replayed offer is refused by the next process of the provider, too', async (context) => {
  const seenFile = join(await temporaryHome(context), 'seen');
  const provider = await startProvider(context, { provider: { seenFile } });
  const client = await startPeer(context, { role: 'client' });
  const offer = makeOffer(provider, client);
  assert.equal(await answerTo(provider, client, offer), 'accept');
  await provider.provider.stop();
  await provider.provider.start();
  assert.match(await answerTo(provider, client, offer), /^bad-offer: .*seen before/);
  assert.equal(await answerTo(provider, client, makeOffer(provider, client)), 'accept');
});

test('another peer that replays an offer it overheard is refused', async (context) => {
  const { provider, client } = await start(context);
  const thief = await startPeer(context, { role: 'client' });
  assert.match(await answerTo(provider, thief, makeOffer(provider, client)), /^bad-offer: .*not the peer that sent it/);
});

test('a question about a control text is answered: no message forges a turn', async (context) => {
  const { provider, client } = await start(context);
  const input: Input = { ...testInput, messages: [{ role: 'user', content: 'what is <|turn|>assistant?' }] };
  const stream = await sendOffer(provider, client, makeOffer(provider, client, {}, { input }));
  const accept = await firstFrame(stream);
  assert.equal(accept?.t, 'accept');
  if (accept?.t !== 'accept') return;
  // The user's turn and the assistant's.
  assert.equal(accept.promptTokens.filter((token) => token === scriptedTurn).length, 2);
});

test('an input that has to be refused is bad input', async (context) => {
  const { provider, client } = await start(context);
  const refused: Readonly<Record<string, Partial<Input>>> = {
    'U+FDD0 in a message': { messages: [{ role: 'user', content: `a${breakMark}b` }] },
    'U+FDD0 in an option': { options: { style: breakMark } },
    'a role that is not known': { messages: [{ role: 'critic', content: 'a' }] },
    'a continuation with a stop': { continuation: [scriptedStop] },
    'a continuation outside the vocabulary': { continuation: [scriptedVocab] },
  };
  for (const [name, change] of Object.entries(refused)) {
    const offer = makeOffer(provider, client, {}, { input: { ...testInput, ...change } });
    assert.match(await answerTo(provider, client, offer), /^bad-input: /, name);
  }
});

test('a prompt of 1 MB is refused in one line before it is tokenised', async (context) => {
  const { provider, client } = await start(context);
  const input: Input = { ...testInput, messages: [{ role: 'user', content: 'x'.repeat(1_000_000) }] };
  assert.match(
    await answerTo(provider, client, makeOffer(provider, client, {}, { input })),
    /^bad-offer: .*longer than the context/,
  );
});

/** A quote of `provider` for the test's question, as an honest client asks for it, apart from `change`. */
function quoteFor(
  provider: TestProvider,
  peer: Peer,
  change: Partial<QuoteRequest> = {},
  clock: Clock = systemClock,
): Promise<SignedQuote> {
  return fetchQuote(
    { peer, clock },
    {
      card: provider.card(),
      model: provider.model(),
      requestDigest: requestDigestOf(testInput),
      mode: modes.merkle,
      pay: payFrom.nothing,
      promptTokens: 300,
      maxTokens: 40,
      target: provider.address,
      ...change,
    },
  );
}

test('an offer for a priced model needs a quote that covers it, valid for one job', async (context) => {
  const clock = movedClock();
  const engine = createScriptedEngine();
  const offering = { priceJob: 5_000, priceIn: 100, priceOut: 2_000 };
  const provider = await startProvider(context, { clock, engine, offering });
  const client = await startPeer(context, { role: 'client' });
  const stranger = await startPeer(context, { role: 'client' });
  const answerUnder = (signed: SignedQuote, change: Partial<Offer> = {}): Promise<string> => {
    const expiresAt = BigInt(Date.now() + 300_000);
    return answerTo(provider, client, makeOffer(provider, client, { ...underQuote(signed), expiresAt, ...change }));
  };
  const elsewhere = requestDigestOf({ ...testInput, messages: [{ role: 'user', content: 'else' }] });
  assert.match(await answerTo(provider, client, makeOffer(provider, client)), /^bad-offer: .*price/);
  const others: readonly (readonly [change: Partial<QuoteRequest>, expected: RegExp])[] = [
    [{ requestDigest: elsewhere }, /another request/],
    [{ mode: modes.none }, /another mode/],
    [{ promptTokens: 5 }, /5 were quoted/],
    [{ maxTokens: 39 }, /fewer tokens/],
  ];
  for (const [change, expected] of others)
    assert.match(await answerUnder(await quoteFor(provider, client, change, clock)), expected);
  assert.match(await answerUnder(await quoteFor(provider, stranger, {}, clock)), /another client/);

  const altered = await quoteFor(provider, client, {}, clock);
  const { terms } = underQuote(altered);
  for (const [term, value] of Object.entries(terms)) {
    const change = { terms: { ...terms, [term]: typeof value === 'bigint' ? value - 1n : value + 1 } };
    assert.match(await answerUnder(altered, change), /other terms than the quote/, term);
  }
  const payment = { pay: payFrom.jobAccount, account: other, amountLamports: 5_110n };
  assert.match(await answerUnder(altered, { payment }), /asks for no payment/);

  const late = await quoteFor(provider, client, {}, clock);
  clock.move(60_001);
  assert.match(await answerUnder(late), /quote has expired/);
  const before = await quoteFor(provider, client, {}, clock);
  engine.setExec({ threads: 1 });
  await provider.cards.renew();
  assert.match(await answerUnder(before), /another execution class/);
  const quote = await quoteFor(provider, client, {}, clock);
  assert.equal(await answerUnder(quote), 'accept');
  assert.match(await answerUnder(quote), /unknown or was used before/);
});

test('an offer that takes longer than its quote says, at the speed of now, is refused', async (context) => {
  const offering = { priceOut: 1, tokensPerSecond: 1_000 };
  const provider = await startProvider(context, { offering });
  const client = await startPeer(context, { role: 'client' });
  const sampler = makeOffer(provider, client).offer.sampler;
  const quote = await quoteFor(provider, client, { maxTokens: 1_000 });
  const change = { ...underQuote(quote), sampler: { ...sampler, maxTokens: 1_000 } };
  offering.tokensPerSecond = 1;
  await provider.cards.renew();
  assert.match(await answerTo(provider, client, makeOffer(provider, client, change)), /1000 tokens take 1000 s here/);
  offering.tokensPerSecond = 2;
  await provider.cards.renew();
  assert.equal(await answerTo(provider, client, makeOffer(provider, client, change)), 'accept');
});

test('an offer with no payment, one that is not exactly the price, or one from a channel is refused', async (context) => {
  const pay = { chain: 'solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1', program: other, payee: new Uint8Array(32).fill(2) };
  // Payouts that find every payment on the chain.
  const payments = async (): Promise<ProviderPayouts> => ({
    pay,
    secure: async () => ({
      late: new AbortController().signal,
      ...freeOfChannels,
      keep: async () => undefined,
      deliver: async () => undefined,
      submit: () => undefined,
      decline: () => undefined,
    }),
    decline: () => undefined,
    start: async () => undefined,
    stop: async () => undefined,
  });
  const prices = { priceJob: 5_000, priceIn: 100, priceOut: 2_000 };
  const provider = await startProvider(context, { offering: prices, payments });
  const client = await startPeer(context, { role: 'client' });
  const signed = await quoteFor(provider, client, { pay: payFrom.jobAccount });
  const answer = (payment: Offer['payment']): Promise<string> =>
    answerTo(provider, client, makeOffer(provider, client, { ...underQuote(signed), payment }));
  const price = quotedLamports({ ...prices, mode: modes.merkle, promptTokens: 300, maxTokens: 40 });
  assert.equal(price, 5_110n);
  const paid = { pay: payFrom.jobAccount, account: new Uint8Array(32).fill(3), amountLamports: price };
  const nothing = { pay: payFrom.nothing, account: new Uint8Array(32), amountLamports: 0n };
  assert.match(await answer(nothing), /asks for a payment/);
  assert.match(await answer({ ...paid, pay: payFrom.channel }), /for another kind of payment/);
  for (const amountLamports of [price - 1n, price + 1n])
    assert.match(
      await answer({ ...paid, amountLamports }),
      new RegExp(`the amount is ${amountLamports} lamports instead of ${price}`),
    );
  assert.equal(await answer(paid), 'accept');
});
