import assert from 'node:assert/strict';
import { it } from 'node:test';
import { silentLogger } from '../../../src/lib/log.ts';
import type { PeerIdString } from '../../../src/lib/types.ts';
import type { LivePeer } from '../../../src/node/discovery/live-peer.ts';
import { type Field, lookUp } from '../../../src/node/discovery/lookup.ts';
import { chooseProviders } from '../../../src/node/selection/choose.ts';
import { createReputation } from '../../../src/node/selection/reputation.ts';
import { modes } from '../../../src/protocol/messages.ts';
import { testContent, testModel } from '../../support/offers.ts';

/** A network whose one provider is reached when `liveAtMs` have passed: those that were tried before are dead. */
function slowField(liveAtMs: number): Field {
  const card = { ...testContent([testModel('alpha')]), role: 'provider' };
  const live = { peer: '12D3KooWlate' as PeerIdString, card } as unknown as LivePeer;
  const isLive = (): boolean => performance.now() >= liveAtMs;
  return {
    network: 'test',
    routing: { isEnabled: true, size: () => 1, async *providers() {} },
    live: () => (isLive() ? [live] : []),
    consider: () => undefined,
    pending: () => 1,
    settled: () => false,
    alone: () => false,
    hopeful: () => true,
    lastError: () => null,
    random: () => 0,
    onChange: () => () => undefined,
  };
}

it('a question waits for a provider that is found after 8 s, and not for one that is found after 15 s', async (t) => {
  let now = 0;
  t.mock.method(performance, 'now', () => (now += 250));
  const reputation = createReputation({ clock: { now: () => 0 }, logger: silentLogger }, { path: null });
  const criteria = { model: 'alpha', mode: modes.merkle, promptTokens: 8, maxTokens: 8, maxPrice: 0, only: null };
  const choose = (liveAfterMs: number) => {
    const field = slowField(now + liveAfterMs);
    const discovery = {
      live: () => [],
      find: lookUp.bind(null, field),
      get: () => Promise.reject(new Error('none is named')),
    };
    return chooseProviders({ discovery, reputation, payments: null, network: 'test' }, criteria, null);
  };
  const [choice] = await choose(8_000);
  assert.equal(choice?.card.peer, '12D3KooWlate');
  await assert.rejects(choose(15_000), { code: 'E_NO_PROVIDER' });
});
