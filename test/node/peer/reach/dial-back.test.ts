import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Connection } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr';
import { delay } from '../../../../src/lib/abort.ts';
import { silentLogger } from '../../../../src/lib/log.ts';
import type { PeerIdString } from '../../../../src/lib/types.ts';
import { DialBackServer } from '../../../../src/node/peer/reach/dial-back.ts';
import { dialBackProtocol } from '../../../../src/protocol/constants.ts';
import type { Frame } from '../../../../src/protocol/frames.ts';
import { framed, openRaw, startStranger } from '../../../support/hostile.ts';
import { createMemoryStream } from '../../../support/memory-stream.ts';
import { addressOf, startPeer, testIdentity } from '../../../support/peers.ts';

const unreachable = (): Promise<never> => Promise.reject(new Error('refused'));

/** Asks a server for dials as if from an address, and returns its answers and what it dialled. */
async function createAsker(dial: () => Promise<Connection> = unreachable) {
  const dialled: string[] = [];
  let now = 0;
  const server = new DialBackServer({
    dial: (address: Multiaddr) => {
      dialled.push(address.toString());
      return dial();
    },
    logger: silentLogger,
    monotonic: () => now,
  });
  const ask = async (from: string, port: number, peer: PeerIdString): Promise<Frame | undefined> => {
    const stream = createMemoryStream();
    const request = { ...stream, remote: { ...stream.remote, peer }, read: async () => ({ t: 'dial', port }) as never };
    await server.serve(request, { remoteAddr: multiaddr(from), remotePeer: peerIdFromString(peer) });
    return stream.written[0];
  };
  return { ask, dialled, wait: (ms: number) => (now += ms) };
}

describe('dialling back', () => {
  it('goes to the address from which the asker is connected, and to nobody else', async () => {
    const { ask, dialled } = await createAsker();
    const { peer } = await testIdentity();
    const relay = `/ip4/8.8.4.4/tcp/4001/p2p/${(await testIdentity()).peer}/p2p-circuit/p2p/${peer}`;
    assert.deepEqual(await ask(`/ip4/8.8.8.8/tcp/50123/p2p/${peer}`, 4001, peer), {
      t: 'dialled',
      addr: '/ip4/8.8.8.8/tcp/4001',
      ok: false,
    });
    assert.deepEqual(await ask(relay, 4001, peer), { t: 'busy' });
    assert.deepEqual(dialled, [`/ip4/8.8.8.8/tcp/4001/p2p/${peer}`]);
  });

  it('is limited for a peer and for an address, and allowed again later', async () => {
    const { ask, dialled, wait } = await createAsker();
    const from = '/ip4/8.8.8.8/tcp/50123';
    const { peer } = await testIdentity();
    const answers: (string | undefined)[] = [];
    for (let at = 0; at < 6; at++) answers.push((await ask(from, 4001, peer))?.t);
    assert.deepEqual(answers, ['dialled', 'dialled', 'dialled', 'dialled', 'busy', 'busy']);
    for (let at = 0; at < 20; at++) await ask(from, 4001, (await testIdentity()).peer);
    assert.equal(dialled.length, 16);
    assert.equal((await ask('/ip4/8.8.4.4/tcp/50123', 4001, (await testIdentity()).peer))?.t, 'dialled');
    wait(60_001);
    assert.equal((await ask(from, 4001, peer))?.t, 'dialled');
  });

  it('runs for a few askers at a time', async () => {
    const gate = Promise.withResolvers<never>();
    const { ask, dialled } = await createAsker(() => gate.promise);
    const asked = await Promise.all(
      Array.from({ length: 12 }, async (_, at) => {
        const { peer } = await testIdentity();
        return () => ask(`/ip4/8.8.${at}.8/tcp/50123`, 4001, peer);
      }),
    );
    const answers = asked.map((each) => each());
    while (dialled.length < 8) await new Promise(setImmediate);
    gate.reject(new Error('refused'));
    const types = (await Promise.all(answers)).map((answer) => answer?.t);
    assert.equal(dialled.length, 8);
    assert.equal(types.filter((type) => type === 'busy').length, 4);
  });

  it('works between two nodes, and closes the connection afterwards', async (context) => {
    const [helper, asker] = [await startPeer(context), await startPeer(context)];
    await asker.connect(addressOf(helper));
    const port = Number(/\/tcp\/(\d+)/.exec(addressOf(asker))?.[1]);
    const stream = await asker.open(helper.id, dialBackProtocol);
    await stream.write({ t: 'dial', port });
    assert.deepEqual(await stream.read(['dialled']), { t: 'dialled', addr: `/ip4/127.0.0.1/tcp/${port}`, ok: true });
    // The asker counts the connection once its own side has secured it, which the helper does not wait for.
    const deadline = AbortSignal.timeout(30_000);
    while (asker.reach().dialledIn.loopback === 0) await delay(10, deadline);
    assert.deepEqual(asker.reach().dialledIn, { loopback: 1, private: 0, public: 0 });
    // On this machine alone there is nothing to confirm: nobody else hears the addresses.
    assert.deepEqual(asker.reach().direct, []);
    assert.deepEqual(asker.addrs(), asker.listening());
  });

  it('refuses what is no request', async (context) => {
    const helper = await startPeer(context);
    const stranger = await startStranger(context);
    const stream = await openRaw(stranger, addressOf(helper), dialBackProtocol);
    const closed = new Promise((resolve) => stream.addEventListener('close', resolve));
    stream.send(framed(new Uint8Array([0xa1, 0x61, 0x74, 0x64, 0x64, 0x69, 0x61, 0x6c])));
    await closed;
  });
});
