import assert from 'node:assert/strict';
import { it } from 'node:test';
import { silentLogger } from '../../../src/lib/log.ts';
import type { PeerIdString } from '../../../src/lib/types.ts';
import { LiveList, maxKnown, maxVolunteers } from '../../../src/node/discovery/live-list.ts';
import type { Peer } from '../../../src/node/peer/peer.ts';

const name = (at: number | string): PeerIdString => `peer${at}` as PeerIdString;

/** A list in front of nodes that nobody reaches. */
function makeList(): { readonly list: LiveList; readonly forgotten: PeerIdString[] } {
  const forgotten: PeerIdString[] = [];
  const peer = {
    id: name('own'),
    connected: () => [],
    addrsOf: async () => [],
    connect: () => Promise.reject(new Error('unreachable')),
  } as unknown as Peer;
  const components = { peer, clock: { now: () => 0 }, logger: silentLogger };
  return { list: new LiveList(components, true, (each) => forgotten.push(each)), forgotten };
}

it('a list full of dead peers makes room for new ones: the one that failed most often goes', async () => {
  const { list, forgotten } = makeList();
  for (let at = 0; at < maxKnown; at++) assert.ok(list.add(name(at), at === 3 ? 'bootstrap' : 'dht'));
  assert.equal(list.add(name('new'), 'dht'), false);
  for (const [at, failures] of [
    [3, 9],
    [7, 2],
    [8, 3],
  ] as const)
    for (let failure = 0; failure < failures; failure++) await assert.rejects(list.reach(name(at)));
  assert.ok(list.add(name('new'), 'dht'));
  assert.deepEqual(forgotten, [name(8)]);
  assert.ok(list.add(name('newer'), 'dht'));
  assert.deepEqual(forgotten, [name(8), name(7)]);
  // None of the others failed, and the configured one stays.
  assert.equal(list.add(name('newest'), 'dht'), false);
});

it('of the nodes that merely connect only a few are asked for their cards', () => {
  const { list } = makeList();
  for (let at = 0; at < maxVolunteers; at++) assert.ok(list.add(name(at), 'connected'));
  assert.equal(list.add(name('late'), 'connected'), false);
  assert.ok(list.add(name('late'), 'dht'));
  assert.ok(list.add(name('late'), 'connected'));
});
