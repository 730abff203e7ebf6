import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { QvacError } from '../../../../src/errors.ts';
import { silentLogger } from '../../../../src/lib/log.ts';
import { defaultRoutes } from '../../../../src/node/peer/forwarding/gateways.ts';
import type { PortForwarder } from '../../../../src/node/peer/forwarding/port-forwarder.ts';
import { PortMapper } from '../../../../src/node/peer/forwarding/port-mapper.ts';

/** A router that gives each port another one, and what it was asked. */
function mapper(answers: (port: number) => number | null, before: readonly PortForwarder[] = []) {
  const ended: (readonly [gateway: string, outsidePort: number])[] = [];
  const asked: (readonly [gateway: string, port: number, lifeSeconds: number])[] = [];
  const changes: (readonly number[])[] = [];
  let now = 0;
  const forwarder: PortForwarder = {
    name: 'test',
    async forward(gateway, port, lifeSeconds) {
      asked.push([gateway, port, lifeSeconds]);
      const outsidePort = answers(port);
      if (outsidePort === null) throw new QvacError('E_NETWORK', 'no answer');
      return { outsidePort, lifeSeconds };
    },
    async end(gateway, { outsidePort }) {
      ended.push([gateway, outsidePort]);
    },
  };
  const made = new PortMapper(
    {
      gateways: async () => ['192.168.1.1', '10.0.0.1'],
      forwarders: [...before, forwarder],
      logger: silentLogger,
      monotonic: () => now,
    },
    (ports) => changes.push(ports),
  );
  return {
    asked,
    ended,
    changes,
    made,
    async tick(ports: readonly number[], at: number) {
      now = at;
      made.tick(ports);
      await new Promise(setImmediate);
    },
  };
}

describe('a port mapper', () => {
  it('has ports forwarded, renews them, and ends that when it stops', async () => {
    const { asked, ended, changes, made, tick } = mapper((port) => port + 1);
    await tick([4001, 443], 0);
    await tick([4001, 443], 599_000);
    assert.deepEqual(asked, [
      ['192.168.1.1', 4001, 1800],
      ['192.168.1.1', 443, 1800],
    ]);
    await tick([4001, 443], 600_000);
    assert.equal(asked.length, 4);
    assert.deepEqual(changes, [[4002, 444]]);
    await made.stop();
    assert.deepEqual(ended, [
      ['192.168.1.1', 4002],
      ['192.168.1.1', 444],
    ]);
  });

  it('turns to the next way where a router does not know the first, and asks by that first from then on', async () => {
    let tries = 0;
    const silent: PortForwarder = {
      name: 'silent',
      async forward() {
        tries += 1;
        throw new QvacError('E_NETWORK', 'no answer');
      },
      end: async () => undefined,
    };
    const { changes, tick } = mapper((port) => port, [silent]);
    await tick([4001], 0);
    assert.deepEqual([changes, tries], [[[4001]], 1]);
    await tick([4001], 600_000);
    assert.equal(tries, 1);
  });

  it('asks every router once while none answers, and again after a while', async () => {
    let answer: number | null = null;
    const { asked, changes, made, tick } = mapper(() => answer);
    await tick([4001, 443], 0);
    await tick([4001, 443], 599_000);
    assert.deepEqual(asked, [
      ['192.168.1.1', 4001, 1800],
      ['10.0.0.1', 4001, 1800],
    ]);
    assert.deepEqual(changes, []);
    // There is nothing to renew.
    made.hurry();
    await tick([4001], 599_500);
    assert.equal(asked.length, 2);
    answer = 4001;
    await tick([4001], 600_000);
    assert.deepEqual(changes, [[4001]]);
  });

  it('renews soon after a connection was lost, and says that the router stopped', async () => {
    let answer: number | null = 4001;
    const { asked, changes, made, tick } = mapper(() => answer);
    await tick([4001], 0);
    made.hurry();
    await tick([4001], 4_999);
    assert.equal(asked.length, 1);
    answer = null;
    await tick([4001], 5_000);
    assert.deepEqual(changes, [[4001], []]);
  });

  it('reads the default routes of Linux, the preferred one first', () => {
    const text = [
      'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT',
      'wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0',
      'eth0\t00000000\t010A000A\t0003\t0\t0\t100\t00000000\t0\t0\t0',
      'eth0\t000A000A\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0',
      '',
    ].join('\n');
    assert.deepEqual(defaultRoutes(text), ['10.0.10.1', '192.168.1.1']);
  });
});
