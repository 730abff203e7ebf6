import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { toHex } from '../../../src/lib/bytes.ts';
import { silentLogger } from '../../../src/lib/log.ts';
import type { ModelId, PeerIdString } from '../../../src/lib/types.ts';
import type { VerifiedCard } from '../../../src/node/cards/cards.ts';
import { createReputation, type Reputation } from '../../../src/node/selection/reputation.ts';
import { type SelectionCriteria, select } from '../../../src/node/selection/select.ts';
import { type CardModel, modes } from '../../../src/protocol/messages.ts';

const id = new Uint8Array(32).fill(7);
const modelId = toHex(id) as ModelId;
const peerOf = (name: string): PeerIdString => `12D3KooW${name}` as PeerIdString;

const model: CardModel = {
  id,
  name: 'qwen3-4b',
  arch: 'qwen3',
  quant: 'q4_k_m',
  context: 4_096,
  vocab: 151_936,
  stops: [151_645],
  vocabDigest: new Uint8Array(32),
  can: [],
  modes: ['merkle', 'none'],
  priceJob: 0,
  priceIn: 0,
  priceOut: 0,
  slots: 2,
};

interface Offered extends Partial<CardModel> {
  readonly tokensPerSecond?: number;
  readonly role?: 'provider' | 'router';
  readonly pays?: boolean;
}

function card(
  name: string,
  { tokensPerSecond = 40, role = 'provider', pays = false, ...changes }: Offered = {},
): VerifiedCard {
  const key = new Uint8Array(32);
  return {
    peer: peerOf(name),
    body: key,
    sig: key,
    card: {
      v: 1,
      peer: key,
      role,
      seq: 1,
      issuedAt: 0,
      expiresAt: 1,
      addrs: [],
      models: [{ ...model, ...changes }],
      compute: { backend: 'cpu', device: 'a cpu', memory: 1, tokensPerSecond },
      execClass: key,
      exec: null,
      pay: pays ? { chain: 'solana:x', program: key, payee: key } : null,
      network: 'local',
    },
  };
}

const criteria: SelectionCriteria = {
  model: 'qwen3-4b',
  mode: modes.merkle,
  promptTokens: 300,
  maxTokens: 512,
  maxPrice: 1_000_000,
  only: null,
};

function choose(
  cards: readonly VerifiedCard[],
  changes: Partial<SelectionCriteria> = {},
  reputation: Reputation = newReputation(),
  inFlight: (peer: PeerIdString) => number = () => 0,
) {
  return select({ reputation, inFlight }, cards, { ...criteria, ...changes });
}

function newReputation(): Reputation {
  return createReputation({ clock: { now: () => 1_000 }, logger: silentLogger }, { path: null });
}

const best = (selection: ReturnType<typeof choose>): string | undefined => selection.choices[0]?.card.peer;

describe('select', () => {
  it('finds a model by name, by name and quantisation, and by id, and nothing else', () => {
    const cards = [card('A')];
    for (const asked of ['qwen3-4b', 'qwen3-4b/q4_k_m', modelId])
      assert.equal(choose(cards, { model: asked }).choices.length, 1, asked);
    for (const asked of ['qwen3', 'qwen3-4b/q8_0', modelId.slice(0, 63), 'QWEN3-4B', ''])
      assert.equal(choose(cards, { model: asked }).choices.length, 0, asked);
  });

  it('says why each of the others is excluded', () => {
    const reputation = newReputation();
    reputation.record(peerOf('Cheat'), { kind: 'fault', fault: 'draws-far' });
    const cards = [
      card('Other', { name: 'llama' }),
      card('Short', { context: 512 }),
      card('Dear', { priceOut: 10_000_000 }),
      card('Fee', { priceJob: 1_000_001 }),
      card('Paid', { priceOut: 1, pays: true }),
      card('Mode', { modes: ['none'] }),
      card('Cheat'),
      card('Router', { role: 'router' }),
    ];
    const { choices, excluded } = choose(cards, {}, reputation);
    assert.deepEqual(choices, []);
    assert.deepEqual(
      excluded.map(({ peer, why }) => [peer, why]),
      [
        [peerOf('Other'), 'other-model'],
        [peerOf('Short'), 'context'],
        [peerOf('Dear'), 'too-dear'],
        [peerOf('Fee'), 'too-dear'],
        [peerOf('Paid'), 'pay'],
        [peerOf('Mode'), 'mode'],
        [peerOf('Cheat'), 'standing'],
      ],
    );
  });

  it('selects only files that can be re-executed here, if required', () => {
    assert.equal(choose([card('A')], { only: new Set([modelId]) }).choices.length, 1);
    assert.equal(choose([card('A')], { only: new Set() }).excluded[0]?.why, 'not-held');
  });

  it('prefers the cheaper, the measured faster, the more reliable and the less loaded', () => {
    assert.equal(best(choose([card('A', { priceOut: 2_000 }), card('B', { priceOut: 1_000 })])), peerOf('B'));
    assert.equal(best(choose([card('A', { priceJob: 2_000 }), card('B', { priceJob: 1_000 })])), peerOf('B'));
    assert.equal(best(choose([card('A', { tokensPerSecond: 20 }), card('B', { tokensPerSecond: 40 })])), peerOf('B'));

    const broken = newReputation();
    broken.record(peerOf('A'), { kind: 'aborted' });
    assert.equal(best(choose([card('A'), card('B')], {}, broken)), peerOf('B'));

    assert.equal(
      best(choose([card('A'), card('B')], {}, newReputation(), (peer) => (peer === peerOf('A') ? 1 : 0))),
      peerOf('B'),
    );
  });

  it('prefers measurements to claims', () => {
    const reputation = newReputation();
    const job = { kind: 'served', model: modelId, n: 101, firstTokenMs: 100 } as const;
    reputation.record(peerOf('Boaster'), { ...job, totalMs: 100_100 });
    reputation.record(peerOf('Modest'), { ...job, totalMs: 2_100 });
    const selection = choose(
      [card('Boaster', { tokensPerSecond: 1_000_000 }), card('Modest', { tokensPerSecond: 1 })],
      {},
      reputation,
    );
    assert.equal(best(selection), peerOf('Modest'));
  });

  it('caps the highest price at the prompt that fits in the context', () => {
    const priced = card('A', { priceIn: 1_000, context: 1_000 });
    assert.equal(
      choose([priced], { promptTokens: 1_000_000, maxTokens: 600, maxPrice: 400 }).choices[0]?.priceLamports,
      400n,
    );
    assert.equal(
      choose([priced], { promptTokens: 1_000_000, maxTokens: 600, maxPrice: 399 }).excluded[0]?.why,
      'too-dear',
    );
  });

  it('explains a score by its terms, and gives the same order whatever the order of the cards', () => {
    const offered = fc.record({
      tokensPerSecond: fc.integer({ min: 0, max: 1_000_000 }),
      priceJob: fc.nat(1_000_000),
      priceIn: fc.nat(1_000),
      priceOut: fc.nat(1_000),
      slots: fc.integer({ min: 0, max: 8 }),
    });
    fc.assert(
      fc.property(fc.array(offered, { minLength: 1, maxLength: 8 }), fc.integer({ min: 0, max: 7 }), (offers, turn) => {
        const cards = offers.map((offer, at) => card(String(at), offer));
        const { choices } = choose(cards);
        for (const { score, terms } of choices) {
          assert.ok(Number.isFinite(score));
          assert.equal(score, terms.price + terms.speed + terms.reliability + terms.load);
          assert.ok(terms.price <= 0 && terms.speed <= 0 && terms.reliability <= 0 && terms.load <= 0);
        }
        const turned = [...cards.slice(turn), ...cards.slice(0, turn)];
        assert.deepEqual(
          choose(turned).choices.map((choice) => choice.card.peer),
          choices.map((choice) => choice.card.peer),
        );
      }),
      { seed: 1 },
    );
  });

  it('prefers the provider that keeps the prompt, if it says so, but not at twice the price', () => {
    const knownShare = (peer: PeerIdString): number => (peer === peerOf('b') ? 1 : 0);
    const first = (cards: readonly VerifiedCard[]): PeerIdString | undefined =>
      choose(cards, { knownShare }).choices[0]?.card.peer;
    assert.equal(first([card('a'), card('b', { can: ['prefix'] })]), peerOf('b'));
    assert.equal(first([card('a'), card('b')]), peerOf('a'));
    assert.equal(first([card('a', { priceIn: 1_000 }), card('b', { can: ['prefix'], priceIn: 4_000 })]), peerOf('a'));
    const { choices } = choose([card('a'), card('b', { can: ['prefix'] })], { knownShare });
    assert.deepEqual(
      choices.map(({ terms }) => terms.kept),
      [0, -1],
    );
  });
});
