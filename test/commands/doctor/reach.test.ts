import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkReach, type RunningNode } from '../../../src/commands/doctor/reach.ts';
import { resolveConfig } from '../../../src/config.ts';
import type { PeerIdString } from '../../../src/lib/types.ts';

const peer = '12D3KooWLbTqVBYXwEdHqCwAvSGyzAmDUKRYVZmUwk3RNEWjbVEk' as PeerIdString;
const punches = { mapping: 'unknown', tried: 0, succeeded: 0 } as const;
const nobody = { loopback: 0, private: 0, public: 0 } as const;
const config = (...args: readonly (readonly [string, unknown])[]) =>
  resolveConfig({ environment: {}, home: '/nonexistent', flags: Object.fromEntries(args) });
const running = (
  addrs: readonly string[],
  observed: readonly string[] = [],
  dialledIn: Partial<typeof nobody> | Readonly<Record<string, number>> = {},
): RunningNode => ({
  entry: { role: 'provider', peer, addrs: addrs.map((address) => `${address}/p2p/${peer}`) },
  reach: {
    way: 'unknown',
    observed,
    dialledIn: { ...nobody, ...dialledIn },
    direct: [],
    failed: [],
    relays: [],
    punches,
  },
});

describe('reachability', () => {
  it('of a future node follows from its listen addresses', async () => {
    const near = await config();
    const wide = await config(['network', 'devnet'], ['listen', ['/ip4/0.0.0.0/tcp/4005']]);
    const [found] = checkReach(near, [], ['127.0.0.1', '192.168.1.5']);
    assert.deepEqual(
      [found?.result, found?.detail],
      ['ok', 'a node would listen at 192.168.1.5 (private); that is enough on this machine and its local network'],
    );
    const [outside] = checkReach(wide, [], ['127.0.0.1', '192.168.1.5']);
    assert.equal(outside?.result, 'warn');
    assert.match(outside?.fix ?? '', /^forward TCP port 4005 .*\/ip4\/<outside address>\/tcp\/4005\/p2p\/<peer id>/);
    assert.equal(checkReach(wide, [], ['8.8.8.8'])[0]?.result, 'ok');
    assert.deepEqual(
      checkReach(near, [], []).map(({ result }) => result),
      ['warn'],
    );
    assert.match(
      checkReach(await config(['listen', ['/ip4/127.0.0.1/tcp/0']]), [], ['8.8.8.8'])[0]?.detail ?? '',
      /127\.0\.0\.1 \(loopback\)/,
    );
  });

  it('counts the addresses of the IP version that a node listens at', async () => {
    const own = ['127.0.0.1', '192.168.1.5', '::1', '2a02:1:2:3::5'];
    const detailOf = async (...listen: readonly string[]): Promise<string | undefined> =>
      checkReach(await config(['network', 'devnet'], ['listen', listen]), [], own)[0]?.detail;
    assert.match((await detailOf('/ip4/0.0.0.0/tcp/0')) ?? '', /^a node would listen at 192\.168\.1\.5 \(private\): /);
    assert.match((await detailOf('/ip6/::/tcp/0')) ?? '', /^a node would listen at 2a02:1:2:3::5 \(public\); /);
    assert.match((await detailOf('/ip6/::1/tcp/0')) ?? '', /^a node would listen at ::1 \(loopback\)/);
    const [behind] = checkReach(
      await config(['network', 'devnet']),
      [running(['/ip6/fd00::5/tcp/4001'], ['2a02:9::9'])],
      own,
    );
    assert.match(
      behind?.fix ?? '',
      /--listen \/ip6\/::\/tcp\/4001, and share the address \/ip6\/2a02:9::9\/tcp\/4001\/p2p\//,
    );
  });

  it('of a running node follows from its connections', async () => {
    const [near, wide] = [await config(['private', 'ours']), await config(['network', 'devnet'])];
    const own = ['127.0.0.1', '192.168.1.5'];
    const home = ['/ip4/192.168.1.5/tcp/4001'];
    for (const [settings, node, result, detail, fix] of [
      [wide, running(home, ['198.41.0.4'], { public: 2 }), 'ok', /; 2 inbound connections from outside$/, null],
      [
        wide,
        running(home, ['192.168.1.5', '198.41.0.4']),
        'warn',
        /peers see 198\.41\.0\.4, so this machine is behind a NAT; no inbound connection from outside yet$/,
        new RegExp(`/ip4/198\\.41\\.0\\.4/tcp/4001/p2p/${peer}`),
      ],
      [
        wide,
        running(home, ['192.168.1.5'], { private: 1 }),
        'warn',
        /1 inbound connection from the local network: peers outside this network/,
        /<outside address>/,
      ],
      [
        near,
        running(home, ['192.168.1.5'], { private: 1 }),
        'ok',
        /listens at 192\.168\.1\.5 \(private\); 1 inbound connection from the local network$/,
        null,
      ],
      [
        near,
        running(['/ip4/127.0.0.1/tcp/4001'], ['127.0.0.1'], { loopback: 1 }),
        'warn',
        /only this machine reaches it/,
        /--listen/,
      ],
      [wide, running(['/ip4/8.8.8.8/tcp/4001'], ['8.8.8.8']), 'ok', /no inbound connection from outside yet/, null],
      [near, { ...running(home), reach: null }, 'ok', /no inbound connection yet/, null],
    ] as const) {
      const [found] = checkReach(
        settings,
        [node],
        node.entry.addrs[0]?.includes('8.8.8.8') === true ? ['8.8.8.8'] : own,
      );
      assert.equal(found?.result, result, found?.detail);
      assert.match(found?.detail ?? '', detail);
      if (fix === null) assert.equal(found?.fix, null);
      else assert.match(found?.fix ?? '', fix);
    }
  });

  it('of a running node is shown by the peers that dialled it back, or could not', async () => {
    const own = ['192.168.1.5'];
    const [tested, now] = [{ address: '/ip4/198.41.0.4/tcp/4001', by: peer, at: 1_000 }, 61_000];
    const node = running(['/ip4/192.168.1.5/tcp/4001'], ['198.41.0.4']);
    const find = async (reach: Partial<RunningNode['reach']>) =>
      checkReach(
        await config(),
        [{ ...node, reach: { ...node.reach, ...reach } as RunningNode['reach'] }],
        own,
        now,
      )[0];
    const good = await find({ way: 'direct', direct: [tested] });
    assert.deepEqual(
      [good?.result, good?.detail],
      ['ok', 'serve is reached directly, at /ip4/198.41.0.4/tcp/4001 (dialled back by 12D3Koo…WjbVEk 1 min ago)'],
    );
    const bad = await find({ way: 'none', failed: [tested] });
    assert.deepEqual(
      [bad?.result, bad?.detail],
      [
        'warn',
        'serve is reached from its local network only: /ip4/198.41.0.4/tcp/4001 (not reached by 12D3Koo…WjbVEk 1 min ago)',
      ],
    );
    assert.match(
      bad?.fix ?? '',
      new RegExp(`^forward TCP port 4001 .*/ip4/198\\.41\\.0\\.4/tcp/4001/p2p/${peer}; or `),
    );
    assert.match(bad?.fix ?? '', /name a relay with --bootstrap .* which qvac relay prints/);
    const refused = { peer, addrs: [], rttMs: null, why: 'the relay is at one of its limits' };
    assert.match(
      (await find({ way: 'none', relays: [refused] }))?.detail ?? '',
      /relay 12D3Koo…WjbVEk: the relay is at one/,
    );
    const place = { peer, addrs: ['/ip4/8.8.8.8/tcp/4001/p2p/x/p2p-circuit'], rttMs: 23.6, why: null };
    for (const [punched, ending] of [
      [punches, ''],
      [{ mapping: 'stable', tried: 4, succeeded: 3 } as const, ', then directly to 3 of 4 peers'],
      [
        { mapping: 'random', tried: 0, succeeded: 0 } as const,
        '; its router uses another port for each peer, so no connection becomes direct',
      ],
    ] as const) {
      const through = await find({
        way: 'relayed',
        relays: [place, refused, { ...place, rttMs: null }],
        punches: punched,
      });
      assert.deepEqual(
        [through?.result, through?.detail],
        ['ok', `serve is reached through relay 12D3Koo…WjbVEk (24 ms) and relay 12D3Koo…WjbVEk${ending}`],
      );
    }
  });
});
