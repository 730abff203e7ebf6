import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { describe, it, type TestContext } from 'node:test';
import { createUpnp } from '../../../../src/node/peer/forwarding/upnp.ts';
import { searchDevice } from '../../../../src/node/peer/forwarding/upnp-search.ts';
import { type Igd, type IgdInit, startIgd } from '../../../support/igd.ts';

const gateway = '127.0.0.1';
const signal = AbortSignal.timeout(60_000);

async function startRouter(context: TestContext, init: IgdInit = {}) {
  const igd = await startIgd(context, init);
  return { igd, upnp: createUpnp(async () => igd.location) };
}

/** A search server on loopback that answers each request with `answers`. @returns where it listens */
async function startSearchServer(context: TestContext, answers: (search: string) => readonly string[]) {
  const socket = createSocket('udp4');
  socket.on('message', (bytes, { port, address }) => {
    for (const answer of answers(bytes.toString())) socket.send(answer, port, address);
  });
  socket.bind(0, gateway);
  await once(socket, 'listening');
  context.after(() => socket.close());
  return { group: gateway, port: socket.address().port, waitMs: 60_000 } as const;
}

describe('UPnP', () => {
  for (const service of ['WANIPConnection:2', 'WANIPConnection:1', 'WANPPPConnection:1'])
    it(`has a router with ${service} forward a port, and ends that`, async (context) => {
      const serviceType = `urn:schemas-upnp-org:service:${service}`;
      const { igd, upnp } = await startRouter(context, { serviceType, controlUrl: 'ctl?a=1&amp;b=2' });
      const mapped = await upnp.forward(gateway, 4001, 1800, signal);
      assert.deepEqual(mapped, { outsidePort: 4001, lifeSeconds: 1800 });
      assert.deepEqual([...igd.mappings], [[4001, { port: 4001, lifeSeconds: 1800 }]]);
      await upnp.end(gateway, { port: 4001, ...mapped }, signal);
      assert.equal(igd.mappings.size, 0);
    });

  it('takes another outside port where that one is taken, and a mapping without an end where no other is made', async (context) => {
    const { igd, upnp } = await startRouter(context, { refusals: [718, 725] });
    const { outsidePort, lifeSeconds } = await upnp.forward(gateway, 4001, 1800, signal);
    assert.ok(outsidePort >= 20_000 && outsidePort <= 60_000, String(outsidePort));
    assert.equal(lifeSeconds, 0);
    assert.deepEqual([...igd.mappings], [[outsidePort, { port: 4001, lifeSeconds: 0 }]]);
    await upnp.end(gateway, { port: 4001, outsidePort }, signal);
    assert.equal(igd.mappings.size, 0);
  });

  const tries = (igd: Igd): number => igd.requests.filter((each) => each.startsWith('AddPortMapping')).length;

  it('gives up after a few ports, and at any other refusal', async (context) => {
    const full = await startRouter(context, { refusals: Array.from({ length: 20 }, () => 718) });
    await assert.rejects(full.upnp.forward(gateway, 4001, 1800, signal), /refuses AddPortMapping: error 718/);
    assert.equal(tries(full.igd), 4);
    const strict = await startRouter(context, { refusals: [606] });
    await assert.rejects(strict.upnp.forward(gateway, 4001, 1800, signal), /error 606/);
    assert.equal(tries(strict.igd), 1);
  });

  it('asks for no port where the router is behind another one', async (context) => {
    for (const outside of ['100.64.3.7', '192.168.0.2', 'nonsense', '']) {
      const { igd, upnp } = await startRouter(context, { outside });
      await assert.rejects(upnp.forward(gateway, 4001, 1800, signal), /another one is in front of it/);
      assert.equal(tries(igd), 0);
    }
  });

  it('follows a router to no other address: neither by a redirect, nor by its description, nor by a search', async (context) => {
    const victim = await startIgd(context);
    const elsewhere = `http://127.0.0.2:${victim.location.port}/control`;
    const redirecting = await startRouter(context, {
      instead: (_request, response) => {
        response.writeHead(302, { location: victim.location.href }).end();
        return true;
      },
    });
    await assert.rejects(redirecting.upnp.forward(gateway, 4001, 1800, signal), /status 302/);
    const naming = await startRouter(context, { controlUrl: elsewhere });
    await assert.rejects(naming.upnp.forward(gateway, 4001, 1800, signal), /not its own/);
    for (const location of [elsewhere, `https://127.0.0.1:${victim.location.port}/`, 'file:///etc/passwd'])
      await assert.rejects(createUpnp(async () => new URL(location)).forward(gateway, 1, 1, signal), /not its own/);
    assert.deepEqual(victim.requests, []);
  });

  it('reads no more of an answer than it needs, and waits for none that hangs', async (context) => {
    const endless = await startRouter(context, {
      instead: (_request, response) => {
        const more = (): void => {
          while (!response.destroyed && response.write('<service>'.repeat(1_000)));
          response.once('drain', more);
        };
        more();
        return true;
      },
    });
    await assert.rejects(endless.upnp.forward(gateway, 4001, 1800, signal), /more than 65536 bytes/);
    const hanging = await startRouter(context, { instead: () => true });
    const giveUp = new AbortController();
    const asked = hanging.upnp.forward(gateway, 4001, 1800, giveUp.signal);
    asked.catch(() => undefined);
    while (hanging.igd.requests.length === 0) await new Promise(setImmediate);
    giveUp.abort(new Error('enough'));
    await assert.rejects(asked);
    const odd = await startRouter(context, {
      instead: (_request, response) => {
        response.end('<service>'.repeat(5_000));
        return true;
      },
    });
    await assert.rejects(odd.upnp.forward(gateway, 4001, 1800, signal));
    const empty = await startRouter(context, {
      serviceType: 'urn:schemas-upnp-org:service:WANCommonInterfaceConfig:1',
    });
    await assert.rejects(empty.upnp.forward(gateway, 4001, 1800, signal), /no service that forwards ports/);
  });

  it('searches for the router, and believes only an answer of its own', async (context) => {
    const at = 'http://127.0.0.1:5000/description.xml';
    const server = await startSearchServer(context, (search) => [
      'nonsense',
      'HTTP/1.1 404 Not Found\r\nLOCATION: http://127.0.0.1/wrong\r\n\r\n',
      `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(4_000)}\r\nLOCATION: http://127.0.0.1/long\r\n\r\n`,
      'HTTP/1.1 200 OK\r\nLOCATION: not a location\r\n\r\n',
      ...(search.startsWith('M-SEARCH') ? [`HTTP/1.1 200 OK\r\nlocation: ${at}\r\nST: upnp:rootdevice\r\n\r\n`] : []),
    ]);
    assert.equal((await searchDevice(gateway, signal, server)).href, at);
    // Its answers come from 127.0.0.1.
    const soon = { ...server, waitMs: 2_100 };
    await assert.rejects(searchDevice('127.0.0.2', signal, soon), { code: 'E_NETWORK', message: /does not answer/ });
  });
});
