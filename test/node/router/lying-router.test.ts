import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { QvacError } from '../../../src/errors.ts';
import { equalBytes, utf8 } from '../../../src/lib/bytes.ts';
import type { Peer } from '../../../src/node/peer/peer.ts';
import { assess } from '../../../src/proofs/checks.ts';
import { FaultError } from '../../../src/proofs/fault.ts';
import { decodeHead, encodeHead, isFinal } from '../../../src/proofs/head.ts';
import { parseReceipt, type Receipt, serialiseReceipt } from '../../../src/proofs/receipt.ts';
import { type SigningKey, signBody, signingKeyFromSeed } from '../../../src/proofs/signing.ts';
import { jobIdHex, jobIdOf } from '../../../src/protocol/digests.ts';
import type { Frame, FrameOf } from '../../../src/protocol/frames.ts';
import {
  ackStop,
  type Card,
  kinds,
  modes,
  type Offer,
  payFrom,
  type Signed,
  type Verdict,
} from '../../../src/protocol/messages.ts';
import {
  decodeAck,
  decodeCard,
  decodeOffer,
  decodeVerdict,
  encodeCard,
  encodeOffer,
  encodeVerdict,
} from '../../../src/protocol/validate.ts';
import { type AckWords, signAck } from '../../support/acks.ts';
import { createGate } from '../../support/gate.ts';
import { startProvider } from '../../support/market.ts';
import { askRouter, receiveAnswer, startRouter, type TestAnswer, type TestRouterInit } from '../../support/router.ts';

type Tamper = NonNullable<TestRouterInit['tamper']>;
type Context = Parameters<typeof startProvider>[0];

const other32 = new Uint8Array(32).fill(3);
const stranger = signingKeyFromSeed(other32);

/** Asks through a router that lies by `tamper`. */
async function ask(context: Context, tamper: Tamper, price = 0): Promise<TestAnswer> {
  const provider = await startProvider(context, { offering: { priceOut: price } });
  const router = await startRouter(context, { providers: [provider], tamper });
  return receiveAnswer(await askRouter(context, router, { maxPrice: price }));
}

/** Whether the error blames the router, not the provider, for `why`. */
function reported(why: RegExp): (error: unknown) => boolean {
  return (error) =>
    error instanceof QvacError &&
    error.code === 'E_BAD_PEER' &&
    typeof error.details?.router === 'string' &&
    why.test(error.message);
}

function onFrame<T extends Frame['t']>(type: T, change: (frame: FrameOf<T>, peer: Peer) => readonly Frame[]): Tamper {
  return (frame, peer) => (frame.t === type ? change(frame as FrameOf<T>, peer) : [frame]);
}

/** Another offer, properly signed by the router. */
function otherOffer(change: (offer: Offer) => Offer): Tamper {
  return onFrame('picked', (frame, peer) => {
    const body = encodeOffer(change(decodeOffer(frame.offer)));
    return [{ ...frame, offer: body, offerSig: signBody(peer.key, kinds.offer, jobIdOf(body), body).sig }];
  });
}

/** Another card, signed by a peer that is not the provider. */
function otherCard(change: (card: Card) => Card): Tamper {
  return onFrame('picked', (frame) => {
    const body = encodeCard(change(decodeCard(frame.card)));
    return [{ ...frame, card: body, cardSig: signBody(stranger, kinds.card, null, body).sig }];
  });
}

/** Another acknowledgement than the one with which it stopped the provider. */
function otherAck(change: (ack: Required<AckWords>, key: SigningKey) => Signed): Tamper {
  return onFrame('ack', ({ body }, peer) => {
    const { jobId, n, stop } = decodeAck(body);
    return [{ t: 'ack', ...change({ jobId: jobIdHex(jobId), n, stop }, peer.key) }];
  });
}

describe('a router that lies about the provider it picked or the offer it made', () => {
  const sampler = (change: Partial<Offer['sampler']>): Tamper =>
    otherOffer((offer) => ({ ...offer, sampler: { ...offer.sampler, ...change } }));
  const lies: readonly (readonly [lie: string, tamper: Tamper, why: RegExp])[] = [
    ['another seed', otherOffer((offer) => ({ ...offer, seed: other32 })), /changes the seed/],
    [
      'another commit',
      otherOffer((offer) => ({ ...offer, challenge: { ...offer.challenge, commit: other32 } })),
      /changes the commit/,
    ],
    [
      'another number of challenges',
      otherOffer((offer) => ({ ...offer, challenge: { ...offer.challenge, count: 2 } })),
      /changes the number of challenges/,
    ],
    ['another mode', otherOffer((offer) => ({ ...offer, mode: modes.none })), /changes the mode/],
    ['another temperature', sampler({ temperature: 0 }), /changes the temperature/],
    ['another minP', sampler({ minP: 0 }), /changes the minP/],
    ['another topP', sampler({ topP: 90 }), /changes the topP/],
    ['other settings', sampler({ extra: other32 }), /changes the settings/],
    ['another start', otherOffer((offer) => ({ ...offer, start: 1 })), /changes the start/],
    ['another topK', sampler({ topK: 1 }), /changes the topK/],
    ['another length', sampler({ maxTokens: 1 }), /changes the length limit/],
    ['another prompt', otherOffer((offer) => ({ ...offer, requestDigest: other32 })), /changes the prompt/],
    ['another vocabulary', sampler({ vocab: 300 }), /not for the provider’s scripted/],
    ['other stop tokens', sampler({ stops: [] }), /not for the provider’s scripted/],
    ['another model', otherOffer((offer) => ({ ...offer, modelId: other32 })), /not for the provider’s scripted/],
    ['another class', otherOffer((offer) => ({ ...offer, execClass: other32 })), /another execution class/],
    ['another provider', otherOffer((offer) => ({ ...offer, provider: stranger.publicKey })), /card/],
    ['another client’s offer', otherOffer((offer) => ({ ...offer, client: stranger.publicKey })), /another client/],
    [
      'an offer signed by another peer',
      onFrame('picked', (frame) => [
        { ...frame, offerSig: signBody(stranger, kinds.offer, jobIdOf(frame.offer), frame.offer).sig },
      ]),
      /does not carry its signature/,
    ],
    ['a malformed offer', onFrame('picked', (frame) => [{ ...frame, offer: other32 }]), /malformed/],
    ['a forged card', otherCard((card) => card), /signature is not/],
    ['a card with another price', otherCard((card) => ({ ...card, seq: card.seq + 1 })), /signature is not/],
    [
      'a quote that the offer does not name',
      onFrame('picked', (frame) => [{ ...frame, quote: other32, quoteSig: new Uint8Array(64) }]),
      /another quote/,
    ],
  ];
  for (const [lie, tamper, why] of lies) {
    it(`${lie}: is reported, not the provider`, async (context) => {
      await assert.rejects(ask(context, tamper), reported(why));
    });
  }

  it('a withheld quote, or a price above the limit: is reported', async (context) => {
    await assert.rejects(
      ask(
        context,
        onFrame('picked', (frame) => [{ ...frame, quote: null, quoteSig: null }]),
        1_000,
      ),
      reported(/withholds the quote/),
    );
    const provider = await startProvider(context, { offering: { priceOut: 1_000 } });
    const dear = await startRouter(context, {
      providers: [provider],
      mishear: (question) => ({ ...question, maxPrice: 1_000_000 }),
    });
    assert.equal((await receiveAnswer(await askRouter(context, dear, { maxPrice: 40 }))).refused, null);
    await assert.rejects(
      receiveAnswer(await askRouter(context, dear, { maxPrice: 39 })),
      reported(/above 39 lamports/),
    );
    const paying = await startRouter(context, {
      providers: [provider],
      tamper: onFrame('picked', (frame, peer) => [withPayment(frame, peer)]),
    });
    await assert.rejects(
      receiveAnswer(await askRouter(context, paying, { maxPrice: 40 })),
      reported(/above 40 lamports/),
    );
  });

  it('a model that was not requested, under a true card: is reported', async (context) => {
    const provider = await startProvider(context);
    const router = await startRouter(context, {
      providers: [provider],
      mishear: (question) => ({ ...question, model: 'scripted' }),
    });
    for (const model of ['another', 'scripted/q4_0', 'a'.repeat(64)])
      await assert.rejects(
        receiveAnswer(await askRouter(context, router, { model })),
        reported(/not for the provider/),
      );
  });
});

/** The offer with a payment above the limit. */
function withPayment(frame: FrameOf<'picked'>, peer: Peer): Frame {
  const body = encodeOffer({
    ...decodeOffer(frame.offer),
    payment: { pay: payFrom.jobAccount, account: other32, amountLamports: 41n },
  });
  return { ...frame, offer: body, offerSig: signBody(peer.key, kinds.offer, jobIdOf(body), body).sig };
}

describe('a router that alters what it passes on', () => {
  const broken = (error: unknown): boolean =>
    error instanceof FaultError || (error instanceof QvacError && ['E_BAD_PEER', 'E_TRUNCATED'].includes(error.code));
  const alterations: readonly (readonly [what: string, tamper: Tamper])[] = [
    ['a token', onFrame('tokens', (frame) => [{ ...frame, tokens: frame.tokens.map((token) => (token + 1) % 256) }])],
    ['the text', onFrame('tokens', (frame) => [{ ...frame, text: frame.text.toUpperCase() }])],
    ['the prompt tokens', onFrame('accept', (frame) => [{ ...frame, promptTokens: [...frame.promptTokens, 1] }])],
    ['the input digest', onFrame('accept', (frame) => [{ ...frame, inputDigest: other32 }])],
    [
      'a head',
      onFrame('head', ({ body, sig }) => [{ t: 'head', body: encodeHead({ ...decodeHead(body), n: 1 }), sig }]),
    ],
    [
      'whose head it is',
      onFrame('head', ({ body }) => [
        { t: 'head', body, sig: signBody(stranger, kinds.head, jobIdHex(decodeHead(body).jobId), body).sig },
      ]),
    ],
    ['where frames begin', onFrame('tokens', (frame) => [{ ...frame, i: frame.i + 1 }])],
    [
      'the opening',
      onFrame('opening', ({ body, sig }) => [
        { t: 'opening', body: body.map((byte, at) => (at === body.length - 1 ? byte ^ 1 : byte)), sig },
      ]),
    ],
    ['the order: no picked', onFrame('picked', () => [])],
    ['the order: no accept', onFrame('accept', () => [])],
    [
      'the order: picked again in the middle',
      (() => {
        let first: Frame | null = null;
        return ((frame) => {
          if (frame.t === 'picked') first = frame;
          return frame.t === 'head' && first !== null ? [first, frame] : [frame];
        }) satisfies Tamper;
      })(),
    ],
    ['the order: no verdict', onFrame('verdict', () => [])],
    ['the order: no receipt', onFrame('receipt', () => [])],
  ];
  for (const [what, tamper] of alterations) {
    it(`${what}: is noticed, and the answer does not count`, async (context) => {
      await assert.rejects(ask(context, tamper), broken);
    });
  }

  it('a dropped final head is a truncated answer', async (context) => {
    await assert.rejects(
      ask(context, (frame) =>
        frame.t === 'head' && isFinal(decodeHead(frame.body)) ? [{ t: 'error', code: 'failed', message: '' }] : [frame],
      ),
      (error) => error instanceof QvacError && error.code === 'E_FAILED',
    );
  });

  it('a dropped intermediate head does no harm: the final one covers everything', async (context) => {
    const answer = await ask(context, (frame) =>
      frame.t === 'head' && !isFinal(decodeHead(frame.body)) ? [] : [frame],
    );
    assert.equal(assess(answer.receipt, {}).result, 'pass');
  });

  it('a missing opening is inconclusive, not silence', async (context) => {
    const answer = await ask(
      context,
      onFrame('opening', () => []),
    );
    assert.equal(answer.opening, null);
    assert.equal(assess(answer.receipt, {}).result, 'inconclusive');
    assert.match(answer.refused ?? '', /receipt/, 'the router’s receipt has an opening that it withheld');
  });

  it('a stop that the person did not send is reported', async (context) => {
    const stopped: Tamper = (frame, peer) => {
      if (frame.t !== 'head') return [frame];
      const jobId = jobIdHex(decodeHead(frame.body).jobId);
      return [{ t: 'ack', ...signAck(peer.key, { jobId, n: 0, stop: ackStop.cancel }) }, frame];
    };
    await assert.rejects(ask(context, stopped), reported(/stopped an answer that you did not stop/));
  });

  const stops: readonly (readonly [lie: string, tamper: Tamper, why: RegExp])[] = [
    ['signed by another peer', otherAck((ack) => signAck(stranger, ack)), /does not carry its signature/],
    ['of another job', otherAck((ack, key) => signAck(key, ack, { jobId: other32 })), /does not stop this answer/],
    ['that stops nothing', otherAck((ack, key) => signAck(key, { ...ack, stop: ackStop.goOn })), /does not stop/],
    ['that is malformed', otherAck(({ jobId }, key) => signBody(key, kinds.ack, jobId, other32)), /malformed/],
  ];
  for (const [lie, tamper, why] of stops) {
    it(`an acknowledgement ${lie}, once the person stopped: is reported`, async (context) => {
      const gate = createGate(10);
      const provider = await startProvider(context, { script: { beforeStep: gate.beforeStep } });
      const router = await startRouter(context, { providers: [provider], tamper });
      const { job } = await askRouter(context, router);
      const stopping = async (): Promise<void> => {
        for await (const news of job.frames()) if (news.t === 'tokens' && job.received.n === 10) await job.stop();
      };
      await assert.rejects(stopping(), reported(why));
    });
  }
});

describe('a router that forges a verdict or a receipt', () => {
  const forgedVerdict = (change: (verdict: Verdict) => Verdict, key?: typeof stranger): Tamper =>
    onFrame('verdict', ({ body }, peer) => {
      const verdict = change(decodeVerdict(body));
      return [
        { t: 'verdict', ...signBody(key ?? peer.key, kinds.verdict, jobIdHex(verdict.jobId), encodeVerdict(verdict)) },
      ];
    });
  const forgeries: readonly (readonly [what: string, tamper: Tamper])[] = [
    ['a verdict of another peer', forgedVerdict((verdict) => ({ ...verdict, verifier: stranger.publicKey }), stranger)],
    ['a verdict in another peer’s name', forgedVerdict((verdict) => ({ ...verdict, verifier: stranger.publicKey }))],
    ['a verdict signed by another peer', forgedVerdict((verdict) => verdict, stranger)],
    ['a verdict on another job', forgedVerdict((verdict) => ({ ...verdict, jobId: other32 }))],
    ['a verdict on another answer', forgedVerdict((verdict) => ({ ...verdict, root: other32 }))],
    ['a verdict that is none', onFrame('verdict', ({ sig }) => [{ t: 'verdict', body: other32, sig }])],
  ];
  for (const [what, tamper] of forgeries) {
    it(`${what}: is not used`, async (context) => {
      const answer = await ask(context, tamper);
      assert.equal(answer.verdict, null);
      assert.match(answer.refused ?? '', /verdict/);
      assert.equal(answer.receipt.verdicts.length, 0);
      assert.equal(assess(answer.receipt, {}).result, 'pass', 'what the client received itself still counts');
    });
  }

  const otherReceipt = (change: (receipt: Receipt) => Receipt): Tamper =>
    onFrame('receipt', ({ receipt }) => [
      { t: 'receipt', receipt: utf8(serialiseReceipt(change(parseReceipt(receipt)))) },
    ]);
  const receipts: readonly (readonly [what: string, tamper: Tamper])[] = [
    ['another text', otherReceipt((receipt) => ({ ...receipt, text: 'no' }))],
    ['other tokens', otherReceipt((receipt) => ({ ...receipt, tokens: receipt.tokens.slice(1) }))],
    ['no input', otherReceipt((receipt) => ({ ...receipt, input: null }))],
    ['no opening', otherReceipt((receipt) => ({ ...receipt, opening: null, secret: null }))],
    ['no receipt at all', onFrame('receipt', () => [{ t: 'receipt', receipt: utf8('{}') }])],
    ['no text at all', onFrame('receipt', () => [{ t: 'receipt', receipt: Uint8Array.of(0xff) }])],
  ];
  for (const [what, tamper] of receipts) {
    it(`a receipt with ${what}: is not used, the verdict is`, async (context) => {
      const answer = await ask(context, tamper);
      assert.match(answer.refused ?? '', /receipt/);
      assert.equal(answer.verdict?.verdict.result, 'pass');
      assert.equal(assess(answer.receipt, {}).result, 'pass');
    });
  }

  it('a receipt with other verdicts is the same receipt', async (context) => {
    const answer = await ask(
      context,
      otherReceipt((receipt) => ({ ...receipt, verdicts: [] })),
    );
    assert.equal(answer.refused, null);
    assert.ok(
      answer.verdict !== null && equalBytes(answer.receipt.verdicts[0]?.body ?? other32, answer.verdict.signed.body),
    );
  });
});
