import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runInProcess, startCli } from '../support/cli.ts';
import { temporaryHome } from '../support/home.ts';
import { startProvider } from '../support/market.ts';

interface Shown {
  readonly network: string;
  readonly peers: readonly { readonly peer: string; readonly role: string; readonly models: readonly Record<string, unknown>[]; readonly health: Record<string, unknown> }[];
}

describe('qvac peers', () => {
  it('shows who is there, what they offer and how they are', async (context) => {
    const home = await temporaryHome(context);
    const provider = await startProvider(context);
    const args = ['peers', '--home', home, '--private', provider.peer.network, '--no-mdns', '--bootstrap', provider.address];
    const { code, stdout, stderr } = await runInProcess([...args, '--json']);
    assert.equal(code, 0, stderr);
    const { network, peers } = JSON.parse(stdout) as Shown;
    assert.equal(network, provider.peer.network);
    assert.deepEqual(peers.map(({ peer, role }) => [peer, role]), [[provider.peer.id, 'provider']]);
    assert.deepEqual(Object.keys(peers[0] ?? {}), ['peer', 'role', 'addrs', 'models', 'compute', 'expiresAt', 'health', 'chain', 'record']);
    assert.deepEqual(Object.keys(peers[0]?.models[0] ?? {}), ['name', 'quant', 'id', 'context', 'modes', 'priceIn', 'priceOut', 'slots']);
    assert.match(String(peers[0]?.models[0]?.['id']), /^[0-9a-f]{64}$/);
    assert.deepEqual(Object.keys(peers[0]?.health ?? {}), ['sources', 'since', 'cardAt', 'rttMs', 'failures']);

    const model = provider.model();
    const table = await runInProcess([...args, '--model', model.name]);
    assert.match(table.stdout, new RegExp(`^PEER.*\\n${provider.peer.id} +provider +${model.name} ${model.quant} +free `));
    const nobody = await runInProcess([...args, '--model', 'another', '--json']);
    assert.deepEqual([nobody.code, (JSON.parse(nobody.stdout) as Shown).peers], [0, []]);
    assert.match(nobody.stderr, /^nobody offers another on network/m);
  });

  it('tells who comes and goes, and ends at Ctrl-C', async (context) => {
    const home = await temporaryHome(context);
    const provider = await startProvider(context);
    const cli = startCli(['peers', '--watch', '--json', '--home', home, '--private', provider.peer.network, '--no-mdns', '--bootstrap', provider.address]);
    await cli.stdout.until((text) => text.includes('\n'));
    const up = JSON.parse(cli.stdout.lines[0] ?? '') as { event: string; peer: string };
    assert.deepEqual([up.event, up.peer], ['up', provider.peer.id]);
    await provider.peer.stop();
    await cli.stdout.until((text) => text.includes('"down"'));
    assert.deepEqual(JSON.parse(cli.stdout.lines.at(-1) ?? ''), { event: 'down', peer: provider.peer.id });
    cli.send('SIGINT');
    const { code, stderr } = await cli.done;
    assert.equal(code, 130);
    assert.match(stderr, /stopping … \(Ctrl-C again leaves at once\)/);
  });

  it('is not upset where nobody is, and says so where a named peer cannot be reached', async (context) => {
    const home = await temporaryHome(context);
    const args = ['peers', '--home', home, '--private', 'test-nobody-is-here', '--no-mdns'];
    const alone = await runInProcess([...args, '--json']);
    assert.deepEqual([alone.code, alone.stdout], [0, '{"network":"test-nobody-is-here","peers":[]}\n']);
    assert.match(alone.stderr, /nobody is there/);
    const unreachable = await runInProcess([...args, '--bootstrap', '/ip4/127.0.0.1/tcp/1/p2p/12D3KooWGRUfMGQKQfGkRGbFcRQYqfX2PYbCbqMpEZ9dPbqXGCnH']);
    assert.equal(unreachable.code, 4);
    assert.match(unreachable.stderr, /^qvac: [^\n]*connection refused[^\n]*\n {2}[^\n]+\n$/);
    assert.equal((await runInProcess([...args, '--bootstrap', 'nonsense'])).code, 2);
  });
});
