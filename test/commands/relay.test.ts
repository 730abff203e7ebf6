import assert from 'node:assert/strict';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { NodeStatus } from '../../src/commands/status/node-status.ts';
import { circuitStatus } from '../../src/node/peer/circuit/messages.ts';
import { jobProtocol } from '../../src/protocol/constants.ts';
import { connectTo, hasReservations, requestHop, startHidden } from '../support/circuits.ts';
import { type RunningCli, runInProcess, startCli } from '../support/cli.ts';
import { temporaryHome } from '../support/home.ts';
import { startStranger } from '../support/hostile.ts';
import { addressOf, startPeer, testIdentity } from '../support/peers.ts';

const flags = ['--private', 'test', '--no-mdns', '--listen', '/ip4/127.0.0.1/tcp/0', '--json'];

/** Starts `qvac relay` or `qvac route --relay` on loopback and waits until it is ready; it stops with the test. */
async function start(
  context: TestContext,
  command: readonly string[],
): Promise<{ readonly cli: RunningCli; readonly home: string; readonly address: string }> {
  const home = await temporaryHome(context);
  const cli = startCli([...command, ...flags, '--home', home]);
  context.after(async () => {
    cli.send('SIGTERM');
    await cli.done;
  });
  await Promise.race([cli.stdout.until((text) => text.includes('\n')), cli.done]);
  const { event, addrs } = JSON.parse(cli.stdout.lines[0] ?? 'null') as { event: string; addrs: readonly [string] };
  assert.equal(event, 'ready');
  return { cli, home, address: addrs[0] };
}

describe('qvac relay', () => {
  it('forwards for a hidden provider with a key of its own, and status shows how much', async (context) => {
    const { cli, home, address } = await start(context, ['relay']);
    const provider = await startHidden(context, [address]);
    await cli.stdout.until((text) => text.includes('"reserved"'));
    const client = await startPeer(context, { role: 'client' });
    const stream = await client.open(addressOf(provider), jobProtocol);
    // More than a kB, whatever else the two have told each other by then.
    const text = 'hello '.repeat(500);
    await stream.write({ t: 'tokens', i: 0, tokens: [1], text });
    assert.equal((await stream.read(['tokens']))?.text, text);
    // Its last event for now, after which it reports.
    await requestHop(await startStranger(context), address, connectTo(client.id));
    assert.equal((await stat(join(home, 'keys', 'relay.key'))).mode & 0o777, 0o600);
    assert.equal(
      (JSON.parse(await readFile(join(home, 'run', 'relay.json'), 'utf8')) as { role: string }).role,
      'relay',
    );
    const status = async (): Promise<NodeStatus | undefined> => {
      const { stdout } = await runInProcess(['status', '--json', '--home', home]);
      return (JSON.parse(stdout) as { readonly nodes: readonly NodeStatus[] }).nodes[0];
    };
    let seen = await status();
    for (; seen?.activity?.relay?.refused['no-reservation'] !== 1; seen = await status());
    assert.equal(seen?.role, 'relay');
    assert.deepEqual([seen?.activity?.relay?.reservations, seen?.activity?.relay?.circuits], [1, 1]);
    const { stdout } = await runInProcess(['status', '--home', home]);
    assert.match(
      stdout,
      /relay +1 reservation, 1 circuit; \d+(\.\d+)? kB forwarded in this run; refused 1 no-reservation/,
    );
    cli.send('SIGINT');
    assert.equal((await cli.done).code, 130);
    await assert.rejects(stat(join(home, 'run', 'relay.json')));
  });

  it('is bounded by its flags, and names a malformed one', async (context) => {
    const friend = await testIdentity();
    const { address } = await start(context, ['relay', '--allow', friend.peer, '--max-reservations', '1']);
    const stranger = await startStranger(context);
    const { answer } = await requestHop(stranger, address, { type: 'reserve' });
    assert.equal(answer.type === 'status' && answer.status, circuitStatus.permissionDenied);
    await hasReservations(await startHidden(context, [address], { key: friend }), 1);
    const home = await temporaryHome(context);
    const bad = await runInProcess(['relay', '--allow', 'nobody', '--home', home, '--listen', '/ip4/127.0.0.1/tcp/0']);
    assert.equal(bad.code, 2, bad.stderr);
    assert.match(bad.stderr, /allow: \\?"nobody\\?" is not a peer id/);
    assert.equal((await runInProcess(['relay', '--max-reservations', '0', '--home', home])).code, 2);
  });

  it('runs inside qvac route, too', async (context) => {
    const { address } = await start(context, ['route', '--relay']);
    const provider = await startHidden(context, [address]);
    const client = await startPeer(context, { role: 'client' });
    await client.connect(addressOf(provider));
    assert.deepEqual(
      client.connected().toSorted(),
      [address.slice(address.lastIndexOf('/') + 1), provider.id].toSorted(),
    );
  });

  it('is not run by qvac route without --relay', async (context) => {
    const { address } = await start(context, ['route']);
    await assert.rejects(requestHop(await startStranger(context), address, { type: 'reserve' }), {
      name: 'UnsupportedProtocolError',
    });
  });
});
