import assert from 'node:assert/strict';
import { mock, type TestContext, test } from 'node:test';
import type { PeerId, Stream, StreamMuxer } from '@libp2p/interface';
import { multiaddrConnectionPair } from '@libp2p/utils';
import type { PeerIdString } from '../../../../src/lib/types.ts';
import { Bans } from '../../../../src/node/peer/guard/bans.ts';
import { LinkGuard } from '../../../../src/node/peer/guard/link-guard.ts';
import { type EagerOption, isUnanswered } from '../../../../src/node/peer/libp2p/eager.ts';
import { muxerInit } from '../../../../src/node/peer/libp2p.ts';

/** A ping of yamux: version 0, type 2, flag SYN, stream 0, an opaque value. */
const ping = Uint8Array.of(0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1);

interface Trial {
  readonly muxer: StreamMuxer;
  /** Has the other side probe the connection. */
  probeBack(): void;
  probes: number;
  /** Lets `ms` pass. */
  pass(ms: number): Promise<void>;
}

/** One watched connection, whose other side answers each probe. */
function watchOne(t: TestContext, isWatched: (peer: PeerIdString) => boolean): Trial {
  mock.timers.enable({ apis: ['setInterval'] });
  const guard = new LinkGuard({ bans: new Bans(), isWatched });
  const [connection, remote] = multiaddrConnectionPair();
  const muxer = guard.muxer(muxerInit)().createStreamMuxer(connection);
  const trial: Trial = {
    muxer,
    probeBack: () => void remote.send(ping),
    probes: 0,
    async pass(ms) {
      for (let passed = 0; passed < ms; passed += 250) {
        mock.timers.tick(250);
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
  };
  Object.assign(muxer, {
    ping: async () => {
      trial.probes++;
      return 1;
    },
  });
  guard.start();
  t.after(() => {
    guard.stop();
    connection.abort(new Error('the test ends'));
    mock.timers.reset();
  });
  guard.gater().denyOutboundUpgradedConnection?.({ toString: () => 'peer' } as unknown as PeerId, connection);
  return trial;
}

test('an idle connection is probed every 10 s, from its first stream on every 2 s', async (t) => {
  const trial = watchOne(t, () => false);
  assert.equal(trial.probes, 1);
  await trial.pass(9_750);
  assert.equal(trial.probes, 1);
  await trial.pass(250);
  assert.equal(trial.probes, 2);
  await trial.pass(5_000);
  trial.muxer.streams.push({} as Stream);
  await trial.pass(250);
  assert.equal(trial.probes, 3);
  await trial.pass(4_000);
  assert.equal(trial.probes, 5);
});

test('an idle connection is not probed while the other side probes it, one with a stream is', async (t) => {
  const trial = watchOne(t, () => false);
  for (let probe = 0; probe < 4; probe++) {
    await trial.pass(6_000);
    trial.probeBack();
  }
  assert.equal(trial.probes, 1);
  await trial.pass(10_250);
  assert.equal(trial.probes, 2);
  trial.muxer.streams.push({} as Stream);
  for (let probe = 0; probe < 4; probe++) {
    await trial.pass(1_000);
    trial.probeBack();
  }
  assert.equal(trial.probes, 4);
});

test('an idle connection to a peer that is watched is probed every 2 s', async (t) => {
  const trial = watchOne(t, (peer) => peer === 'peer');
  await trial.pass(10_000);
  assert.equal(trial.probes, 6);
});

/** Another connection to the same peer, over which a question would be sent, and the answers to its probes. */
function connect(t: TestContext, guard: LinkGuard) {
  const [connection] = multiaddrConnectionPair();
  const muxer = guard.muxer(muxerInit)().createStreamMuxer(connection);
  const { promise, resolve } = Promise.withResolvers<number>();
  Object.assign(muxer, { ping: () => promise });
  t.after(() => connection.abort(new Error('the test ends')));
  guard.gater().denyOutboundUpgradedConnection?.({ toString: () => 'peer' } as unknown as PeerId, connection);
  return {
    async answer(): Promise<void> {
      resolve(1);
      await promise;
    },
    /** Whether a question is sent before the other side has agreed to its protocol. */
    async isEager(): Promise<boolean> {
      const options: EagerOption & { readonly protocol: string } = { protocol: '/test/1', eager: true };
      return isUnanswered(await muxer.createStream(options));
    },
  };
}

test('a question waits for the other side on a new connection beside one that works, and on no other', async (t) => {
  const guard = new LinkGuard({ bans: new Bans() });
  const first = connect(t, guard);
  assert.ok(await first.isEager());
  await first.answer();
  const second = connect(t, guard);
  assert.deepEqual([await first.isEager(), await second.isEager()], [true, false]);
  await second.answer();
  assert.ok(await second.isEager());
});

/** A connection to `peer`, whose first probe is answered; later ones are if `answers`, which brings bytes. */
function connectTo(t: TestContext, guard: LinkGuard, peer: string) {
  const [connection, other] = multiaddrConnectionPair();
  const muxer = guard.muxer(muxerInit)().createStreamMuxer(connection);
  const link = { answers: false, close: () => connection.abort(new Error('gone')) };
  let probes = 0;
  Object.assign(muxer, {
    ping: async () => {
      if (probes++ === 0) return 1;
      if (link.answers) other.send(ping);
      return Promise.withResolvers<number>().promise;
    },
  });
  t.after(link.close);
  guard.gater().denyOutboundUpgradedConnection?.({ toString: () => peer } as unknown as PeerId, connection);
  return link;
}

const firstProbes = () => new Promise((resolve) => setImmediate(resolve));

for (const [what, answering, isCutOff] of [
  ['no other connection sends a byte either', [], true],
  ['another connection answers', ['other'], false],
  ['the connection to the peer itself answers', ['peer'], false],
] as const)
  test(`a silent peer and its own network are told apart: ${what}`, async (t) => {
    const guard = new LinkGuard({ bans: new Bans() }, { deadAfterMs: isCutOff ? 100 : 30_000 });
    const links = new Map(['peer', 'other', 'third'].map((name) => [name, connectTo(t, guard, name)]));
    await firstProbes();
    const watch = guard.watchNetwork('peer' as PeerIdString);
    for (const [name, link] of links) link.answers = answering.some((each) => each === name);
    assert.equal(await watch.isCutOff(), isCutOff);
  });

test('a node whose connections are all gone is cut off, unless it had none but those to the silent peer', async (t) => {
  const guard = new LinkGuard({ bans: new Bans() });
  const peer = connectTo(t, guard, 'peer');
  await firstProbes();
  const alone = guard.watchNetwork('peer' as PeerIdString);
  const other = connectTo(t, guard, 'other');
  await firstProbes();
  const watch = guard.watchNetwork('peer' as PeerIdString);
  peer.close();
  other.close();
  assert.deepEqual([await alone.isCutOff(), await watch.isCutOff()], [false, true]);
});
