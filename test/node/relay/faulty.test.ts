import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it, type TestContext } from 'node:test';
import { delay } from '../../../src/lib/abort.ts';
import type { PeerIdString } from '../../../src/lib/types.ts';
import type { PeerInit } from '../../../src/node/peer/peer.ts';
import type { Frame } from '../../../src/protocol/frames.ts';
import { startAsker, type TestAsker } from '../../support/asking.ts';
import { hasReservations, startRelay } from '../../support/circuits.ts';
import { createFaultyRelay, type FaultyRelay } from '../../support/faulty-relay.ts';
import { createGate, type Gate } from '../../support/gate.ts';
import { startProvider, type TestProvider, testSampler } from '../../support/market.ts';
import { addressOf, startPeer, unprobed } from '../../support/peers.ts';
import { startRouter, withTamperedAnswers } from '../../support/router.ts';
import { createScriptedEngine } from '../../support/scripted-engine.ts';

const sampler = { ...testSampler, maxTokens: 64 };
const deadlineMs = 30_000;

interface Market {
  readonly relay: FaultyRelay;
  /** Asked first, and reached through the relay alone. It waits at the gate in the middle of its answer. */
  readonly hidden: TestProvider;
  readonly gate: Gate;
  readonly other: TestProvider;
  readonly limits: PeerInit['limits'];
}

interface MarketInit {
  readonly tamper?: (frame: Frame, relay: FaultyRelay) => readonly Frame[];
  readonly beforeOther?: () => Promise<void>;
  readonly limits?: PeerInit['limits'];
  /** Addresses of further relays. @default none */
  readonly more?: readonly string[];
}

async function startMarket(
  context: TestContext,
  { tamper, beforeOther, limits, more = [] }: MarketInit = {},
): Promise<Market> {
  const relay = createFaultyRelay();
  const relaying = await startPeer(context, { role: 'relay', reach: 'direct', extensions: [relay.extension] });
  const gate = createGate(20);
  const hidden = await startProvider(context, {
    offering: { tokensPerSecond: 10_000 },
    script: { beforeStep: gate.beforeStep },
    peer: { reach: 'relay', relays: [addressOf(relaying), ...more], limits },
    wrapPeer: (peer) => (tamper === undefined ? peer : withTamperedAnswers(peer, (frame) => tamper(frame, relay))),
  });
  await hasReservations(hidden.peer, 1 + more.length);
  const other = await startProvider(context, {
    offering: { tokensPerSecond: 1_000 },
    script: { beforeStep: async () => beforeOther?.() },
  });
  return { relay, hidden, gate, other, limits };
}

async function startClient(context: TestContext, { hidden, other, limits }: Market): Promise<TestAsker> {
  return startAsker(context, { providers: [hidden, other], engines: [createScriptedEngine()], peer: { limits } });
}

/** Runs `once` at the first call. */
function atFirst(once: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) once();
    isDone = true;
  };
}

function shown({ told }: TestAsker): string {
  return told.flatMap((line) => (line.startsWith('text ') ? [line.slice(5)] : [])).join('');
}

/** The whole answer as an honest provider gives it, asked by another client. */
async function wholeText(context: TestContext, { other }: Market): Promise<string> {
  const asker = await startAsker(context, { providers: [other] });
  return (await asker.ask({ sampler, verify: 'none' })).text;
}

/** The answer was shown once and as a whole, by both providers, neither of whom cheated. */
async function assertContinued(
  context: TestContext,
  market: Market,
  asker: TestAsker,
  answer: Awaited<ReturnType<TestAsker['ask']>>,
): Promise<void> {
  const text = await wholeText(context, market);
  const [hidden, other] = [market.hidden.peer.id, market.other.peer.id];
  assert.deepEqual([shown(asker), answer.text, answer.tokens, answer.provider], [text, text, 64, other]);
  assert.deepEqual(
    answer.earlier.map(({ provider }) => provider),
    [hidden],
  );
  assert.deepEqual([answer.verification.result, answer.verification.tier, answer.atFault], ['pass', 'exact', null]);
}

const spoils: readonly (readonly [
  what: string,
  ...changes: readonly ((piece: Uint8Array) => readonly Uint8Array[])[],
])[] = [
  ['loses', () => []],
  ['cuts off', (piece) => [piece.subarray(0, piece.length >> 1)]],
  ['repeats', (piece) => [piece, piece]],
  ['changes', (piece) => [piece.map((byte, at) => (at === piece.length - 1 ? byte ^ 1 : byte))]],
];

// All at once would have a loaded machine meet the deadlines of the set-up.
describe('a relay that', { concurrency: 3 }, () => {
  for (const [what, ...changes] of spoils)
    it(`${what} a piece of an answer breaks it off, and another provider continues it`, async (context) => {
      const market = await startMarket(context);
      const { relay, gate, hidden } = market;
      const asker = await startClient(context, market);
      const onText = atFirst(() => {
        relay.spoil('client', ...changes);
        gate.open();
      });
      const answer = await asker.ask({ sampler }, { onText });
      await assertContinued(context, market, asker, answer);
      const { aborted, faults } = asker.reputation.standing(hidden.peer.id);
      assert.deepEqual([aborted > 0.9, faults], [true, 0]);
    });

  it('holds an answer back is passed over, and what it sends on later changes nothing', async (context) => {
    let release = (): void => undefined;
    const market = await startMarket(context, {
      beforeOther: async () => {
        release();
        // The late frames come before the answer to the probe.
        while (asker.peer.unansweredMs(market.hidden.peer.id) > 0) await delay(20, AbortSignal.timeout(deadlineMs));
      },
    });
    const { relay, gate, hidden } = market;
    const asker = await startClient(context, market);
    const onText = atFirst(() => {
      release = relay.hold('client', 'provider');
      gate.open();
    });
    const answer = await asker.ask({ sampler }, { onText });
    await assertContinued(context, market, asker, answer);
    assert.match(asker.told.find((line) => line.startsWith('because')) ?? '', /nothing for 4 s, and its connection is/);
    assert.deepEqual(asker.reputation.standing(hidden.peer.id).faults, 0);
  });

  it('delays an answer for a moment changes nothing', async (context) => {
    const market = await startMarket(context);
    const { relay, gate, hidden } = market;
    const asker = await startClient(context, market);
    let delayed: Promise<void> | null = null;
    const delayIt = async (): Promise<void> => {
      const release = relay.hold('client', 'provider');
      gate.open();
      const signal = AbortSignal.timeout(deadlineMs);
      while (asker.peer.unansweredMs(hidden.peer.id) < 1_000) await delay(20, signal);
      release();
    };
    const onText = atFirst(() => {
      delayed = delayIt();
    });
    const { provider, earlier, text, verification } = await asker.ask({ sampler }, { onText });
    await delayed;
    assert.deepEqual([provider, earlier, verification.tier], [hidden.peer.id, [], 'exact']);
    assert.deepEqual([shown(asker), text], Array(2).fill(await wholeText(context, market)));
  });

  it('holds a challenge back, and every circuit from then on, is left for the other relay, and nobody is blamed', async (context) => {
    const other = await startRelay(context);
    const market = await startMarket(context, { more: [addressOf(other.peer)] });
    const { relay, gate, hidden } = market;
    const asker = await startClient(context, market);
    const onText = atFirst(() => {
      // The answer goes on.
      relay.hold('provider');
      gate.open();
    });
    const { provider, earlier, verification } = await asker.ask({ sampler }, { onText });
    assert.deepEqual([provider, earlier], [hidden.peer.id, []]);
    assert.deepEqual([verification.result, verification.tier, verification.faults], ['pass', 'exact', []]);
    assert.deepEqual(asker.reputation.standing(hidden.peer.id).faults, 0);
  });

  it('loses the opening of a challenge is asked for another circuit, and the provider not blamed', async (context) => {
    const lose = atFirst(() => market.relay.spoil('client', () => []));
    const market = await startMarket(context, {
      tamper(frame) {
        if (frame.t === 'opening') lose();
        return [frame];
      },
    });
    const { gate, hidden } = market;
    gate.open();
    const asker = await startClient(context, market);
    const { provider, earlier, verification } = await asker.ask({ sampler });
    assert.deepEqual([provider, earlier], [hidden.peer.id, []]);
    assert.deepEqual([verification.result, verification.tier, verification.faults], ['pass', 'exact', []]);
    const { served, faults } = asker.reputation.standing(hidden.peer.id);
    assert.deepEqual([served > 0.9, faults], [true, 0]);
  });

  for (const [what, spoil] of [
    ['loses a piece of', (relay) => relay.spoil('client', () => [])],
    ['holds back', (relay) => relay.hold('client', 'provider')],
  ] as const satisfies readonly (readonly [string, (relay: FaultyRelay) => unknown])[])
    it(`${what} an answer to a router has the router continue it with another provider`, async (context) => {
      const market = await startMarket(context);
      const { relay, gate, hidden, other } = market;
      const router = await startRouter(context, { providers: [hidden, other], engines: [createScriptedEngine()] });
      const asker = await startAsker(context);
      const onText = atFirst(() => {
        spoil(relay);
        gate.open();
      });
      const target = { target: router.address, optional: false };
      const answer = await asker.ask({ model: 'scripted', sampler, router: target }, { onText });
      await assertContinued(context, market, asker, answer);
      const { aborted, faults } = router.reputation.standing(hidden.peer.id);
      assert.deepEqual([answer.router, aborted > 0.9, faults], [router.peer.id, true, 0]);
    });

  it('spoils an offer is passed over for the next provider', async (context) => {
    // No probe comes before the offer.
    const market = await startMarket(context, { limits: unprobed });
    const { relay, gate, hidden, other } = market;
    gate.open();
    const identified = new Set<PeerIdString>();
    hidden.peer.events.on('identify', (peer) => identified.add(peer));
    const asker = await startClient(context, market);
    // What the provider asks the client for at first comes before the offer, too.
    const signal = AbortSignal.timeout(deadlineMs);
    while (!identified.has(asker.peer.id)) await once(hidden.peer.events, 'identify', { signal });
    relay.spoil('provider', () => []);
    const { provider, earlier, verification } = await asker.ask({ sampler });
    assert.deepEqual([provider, earlier, verification.tier], [other.peer.id, [], 'exact']);
    assert.ok(
      asker.told.some((line) => line === `turned ${hidden.peer.id}`),
      asker.told.join('\n'),
    );
    assert.deepEqual(asker.reputation.standing(hidden.peer.id).faults, 0);
  });
});
