import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Connection } from '@libp2p/interface';
import type { PeerIdString } from '../../../../src/lib/types.ts';
import { IdleLinks } from '../../../../src/node/peer/guard/idle-links.ts';

const maxConnections = 100;

/** Connections to peers of the same names, without a stream unless `busy` has the name. */
class Links {
  readonly open = new Map<string, Connection>();
  readonly busy = new Set<string>();

  add(...names: readonly string[]): void {
    for (const name of names) {
      const streams = (): readonly string[] => (this.busy.has(name) ? ['a job'] : []);
      this.open.set(name, {
        id: name,
        remotePeer: name,
        status: 'open',
        get streams() {
          return streams();
        },
        close: async () => void this.open.delete(name),
      } as unknown as Connection);
    }
  }
}

const named = (prefix: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, at) => `${prefix}${at}`);

it('a node that is nearly full closes its idle connections, those idle for longest first, and keeps the others', async () => {
  let nowMs = 0;
  const tags = new Map([
    ['old0', ['circuit-reservation']],
    ['old1', ['kad-peer', 'keep-alive-kad-dht']],
    ['old2', ['kad-peer']],
  ]);
  const idle = new IdleLinks(
    {
      tagsOf: async (peer) => tags.get(peer.toString()) ?? [],
      isRelay: (peer) => peer === 'old3',
      monotonic: () => nowMs,
    },
    maxConnections,
  );
  const links = new Links();
  links.busy.add('old4');
  links.add(...named('old', 20));
  idle.keep('old5' as PeerIdString, true);
  idle.keep('old6' as PeerIdString, true);
  idle.keep('old6' as PeerIdString, false);
  await idle.tick([...links.open.values()]);
  nowMs = 1_000;
  links.add(...named('new', 59));
  await idle.tick([...links.open.values()]);
  nowMs = 60_000;
  await idle.tick([...links.open.values()]);
  assert.equal(links.open.size, 79);
  links.add('last');
  await idle.tick([...links.open.values()]);
  assert.equal(links.open.size, 70);
  const kept = ['old0', 'old1', 'old3', 'old4', 'old5'];
  assert.deepEqual(
    named('old', 20).filter((name) => links.open.has(name)),
    [...kept, ...named('old', 20).slice(15)],
  );
  assert.ok(links.open.has('last'));
});

it('a connection that has just opened, or had a stream just now, is not idle', async () => {
  let nowMs = 0;
  const none = { tagsOf: async () => [], isRelay: () => false };
  const idle = new IdleLinks({ ...none, monotonic: () => nowMs }, maxConnections);
  const links = new Links();
  links.add(...named('peer', 100));
  await idle.tick([...links.open.values()]);
  nowMs = 9_999;
  links.busy.add('peer0');
  await idle.tick([...links.open.values()]);
  assert.equal(links.open.size, 100);
  nowMs = 10_000;
  links.busy.delete('peer0');
  await idle.tick([...links.open.values()]);
  assert.deepEqual([links.open.size, links.open.has('peer0'), links.open.has('peer31')], [70, true, true]);
});
