import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { QvacError } from '../../../../src/errors.ts';
import { silentLogger } from '../../../../src/lib/log.ts';
import type { PeerIdString } from '../../../../src/lib/types.ts';
import type { DialledBack } from '../../../../src/node/peer/reach/dial-back.ts';
import { Reachability } from '../../../../src/node/peer/reach/reachability.ts';

type Answer = 'reached' | 'not-reached' | 'lies' | 'busy';

const [alice, bob, carol] = ['alice', 'bob', 'carol'] as PeerIdString[] as [PeerIdString, PeerIdString, PeerIdString];
const outside = '/ip4/8.8.8.8/tcp/4001';

/** A node that listens on port 4001 of a home network, with helpers that answer as they are told. */
function createNode(answers: Record<string, Answer>, seenAs: (peer: string) => string = () => outside) {
  const asked: string[] = [];
  let now = 0;
  let listening = ['/ip4/127.0.0.1/tcp/4001', '/ip4/192.168.1.5/tcp/4001'];
  const reachability = new Reachability({
    async ask(peer, port): Promise<DialledBack> {
      asked.push(`${peer} ${port}`);
      const answer = answers[peer];
      if (answer === 'busy') throw new QvacError('E_BUSY', 'busy');
      // The connection may arrive before the answer or after it.
      if (answer === 'reached') setTimeout(() => reachability.arrived(peer), asked.length % 2);
      await new Promise((resolve) => setTimeout(resolve, 0));
      return { addr: seenAs(peer), ok: answer !== 'not-reached' };
    },
    listening: () => listening,
    clock: { now: () => 1_000 + now },
    monotonic: () => now,
    logger: silentLogger,
  });
  /** Lets time pass, and waits until no test is running. */
  const settle = async (passedMs = 0): Promise<void> => {
    now += passedMs;
    reachability.tick();
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setTimeout(resolve, 1));
  };
  return {
    reachability,
    asked,
    settle,
    move: (...addrs: readonly string[]) => {
      listening = [...addrs];
    },
  };
}

const add = (reachability: Reachability, ...peers: readonly PeerIdString[]): void => {
  for (const [at, peer] of peers.entries()) reachability.addHelper(peer, `/ip4/8.1.1.${at}/tcp/4001`);
};

describe('reachability', () => {
  it('is confirmed by one connection that arrives, and then tested by another peer from time to time', async () => {
    const { reachability, asked, settle } = createNode({ alice: 'reached', bob: 'reached' });
    const changed = once(reachability.events, 'change');
    assert.equal(reachability.verdict(), 'unknown');
    add(reachability, alice, bob);
    await changed;
    assert.deepEqual(reachability.confirmed(), [{ address: outside, by: alice, at: 1_000 }]);
    await settle();
    assert.deepEqual(asked, ['alice 4001']);
    await settle(601_000);
    assert.deepEqual(asked, ['alice 4001', 'bob 4001']);
    assert.deepEqual(reachability.confirmed(), [{ address: outside, by: bob, at: 602_000 }]);
  });

  it('is denied after two failures, and tested again later', async () => {
    const answers: Record<string, Answer> = { alice: 'not-reached', bob: 'not-reached', carol: 'reached' };
    const { reachability, asked, settle } = createNode(answers);
    add(reachability, alice, bob);
    await settle();
    assert.equal(reachability.verdict(), 'unreachable');
    assert.deepEqual(reachability.failed(), [{ address: outside, by: bob, at: 1_000 }]);
    await settle(60_000);
    assert.deepEqual(asked, ['alice 4001', 'bob 4001']);
    add(reachability, alice, bob, carol);
    await settle(300_000);
    assert.equal(reachability.verdict(), 'direct');
    assert.deepEqual(reachability.failed(), []);
  });

  it('is not lost by one peer that fails, but by two', async () => {
    const answers: Record<string, Answer> = { alice: 'reached' };
    const { reachability, settle } = createNode(answers);
    add(reachability, alice);
    await settle();
    answers.alice = 'not-reached';
    await settle(601_000);
    assert.equal(reachability.verdict(), 'direct');
    await settle(16_000);
    assert.equal(reachability.verdict(), 'unreachable');
  });

  it('is not believed without the connection', async () => {
    const { reachability, settle } = createNode({ alice: 'lies' });
    const changed = once(reachability.events, 'change');
    add(reachability, alice);
    await changed;
    assert.equal(reachability.verdict(), 'unreachable');
    await settle();
    assert.deepEqual(reachability.confirmed(), []);
  });

  it('is not tested by peers of the local network, nor at an address that is not of the internet', async () => {
    const { reachability, asked, settle } = createNode({ alice: 'reached' }, () => '/ip4/192.168.1.1/tcp/4001');
    reachability.addHelper(alice, '/ip4/192.168.1.9/tcp/4001');
    await settle();
    assert.deepEqual(asked, []);
    reachability.addHelper(alice, '/ip4/8.1.1.1/tcp/4001');
    await settle();
    assert.deepEqual(asked, ['alice 4001']);
    assert.equal(reachability.verdict(), 'unknown');
  });

  it('ignores a peer that claims to have dialled another port or nonsense', async () => {
    for (const claim of [
      '/ip4/8.8.8.8/tcp/22',
      '/ip6/2a02::1/tcp/4001',
      '/dnsaddr/x',
      '',
      `/dns4/${'a'.repeat(300)}/tcp/4001`,
    ]) {
      const { reachability, settle } = createNode({ alice: 'reached' }, () => claim);
      add(reachability, alice);
      await settle();
      assert.deepEqual([reachability.verdict(), reachability.confirmed()], ['unknown', []], claim);
    }
  });

  it('asks another peer if one is busy, and that one again after a while', async () => {
    const answers: Record<string, Answer> = { alice: 'busy', bob: 'busy' };
    const { reachability, asked, settle } = createNode(answers);
    add(reachability, alice, bob);
    await settle();
    assert.deepEqual(asked, ['alice 4001', 'bob 4001']);
    await settle(10_000);
    assert.equal(asked.length, 2);
    answers.alice = 'reached';
    await settle(6_000);
    assert.equal(reachability.verdict(), 'direct');
  });

  it('follows the addresses of the machine and the ports of its router', async () => {
    const { reachability, asked, settle, move } = createNode({ alice: 'reached' }, () =>
      asked.at(-1) === 'alice 4009' ? '/ip4/8.8.8.8/tcp/4009' : outside,
    );
    add(reachability, alice);
    await settle();
    reachability.setMapped([4009]);
    await settle();
    assert.deepEqual(
      reachability.confirmed().map(({ address }) => address),
      [outside, '/ip4/8.8.8.8/tcp/4009'],
    );
    move('/ip4/127.0.0.1/tcp/4001');
    const changed = once(reachability.events, 'change');
    await settle();
    await changed;
    reachability.setMapped([]);
    await settle();
    assert.deepEqual(reachability.confirmed(), []);
  });
});
