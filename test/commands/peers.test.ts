import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startAsker } from '../support/asking.ts';
import { otherSeed } from '../support/cheats/transcripts.ts';
import { runInProcess, startCli } from '../support/cli.ts';
import { temporaryHome } from '../support/home.ts';
import { startProvider } from '../support/market.ts';
import { clientPayments, type PaidProvider, providerPayments, startChain } from '../support/payments.ts';

interface Shown {
  readonly network: string;
  readonly peers: readonly {
    readonly peer: string;
    readonly role: string;
    readonly record: Record<string, unknown> | null;
    readonly models: readonly Record<string, unknown>[];
    readonly health: Record<string, unknown>;
  }[];
}

describe('qvac peers', () => {
  it('lists peers with their offers and health', async (context) => {
    const home = await temporaryHome(context);
    const provider = await startProvider(context);
    const args = [
      'peers',
      '--home',
      home,
      '--private',
      provider.peer.network,
      '--no-mdns',
      '--bootstrap',
      provider.address,
    ];
    const { code, stdout, stderr } = await runInProcess([...args, '--json']);
    assert.equal(code, 0, stderr);
    const { network, peers } = JSON.parse(stdout) as Shown;
    assert.equal(network, provider.peer.network);
    assert.deepEqual(
      peers.map(({ peer, role }) => [peer, role]),
      [[provider.peer.id, 'provider']],
    );
    assert.deepEqual(Object.keys(peers[0] ?? {}), [
      'peer',
      'role',
      'addrs',
      'models',
      'compute',
      'expiresAt',
      'health',
      'chain',
      'record',
    ]);
    assert.deepEqual(Object.keys(peers[0]?.models[0] ?? {}), [
      'name',
      'quant',
      'id',
      'context',
      'can',
      'modes',
      'priceJob',
      'priceIn',
      'priceOut',
      'slots',
    ]);
    assert.match(String(peers[0]?.models[0]?.id), /^[0-9a-f]{64}$/);
    assert.deepEqual(Object.keys(peers[0]?.health ?? {}), ['sources', 'since', 'cardAt', 'rttMs', 'failures']);

    const model = provider.model();
    const table = await runInProcess([...args, '--model', model.name]);
    assert.match(
      table.stdout,
      new RegExp(`^PEER.*\\n${provider.peer.id} +provider +${model.name} ${model.quant} +free `),
    );
    const nobody = await runInProcess([...args, '--model', 'another', '--json']);
    assert.deepEqual([nobody.code, (JSON.parse(nobody.stdout) as Shown).peers], [0, []]);
    assert.match(nobody.stderr, /^no offer of another found on network "test"/m);
  });

  it('shows the chain record and stake of each, and none if the chain has none', async (context) => {
    const home = await temporaryHome(context);
    const chain = await startChain(context);
    let escrow: PaidProvider['escrow'] | undefined;
    const paid = await startProvider(context, {
      offering: { priceIn: 100_000, priceOut: 2_000_000 },
      createTranscript: otherSeed,
      async payments(peer) {
        const provider = await providerPayments(context, chain, peer);
        escrow = provider.escrow;
        return provider.payments;
      },
    });
    const free = await startProvider(context);
    const asker = await startAsker(context, {
      providers: [paid],
      payments: (await clientPayments(context, chain)).payments,
    });
    assert.equal((await asker.ask({ maxPrice: 10_000_000 })).payment?.state, 'slashed');
    const args = [
      'peers',
      '--home',
      home,
      '--private',
      paid.peer.network,
      '--no-mdns',
      '--bootstrap',
      paid.address,
      '--bootstrap',
      free.address,
    ];
    const recordsIn = (stdout: string) =>
      new Map((JSON.parse(stdout) as Shown).peers.map(({ peer, record }) => [peer, record]));
    const known = recordsIn((await runInProcess([...args, '--rpc', chain.rpcUrl, '--json'])).stdout);
    const account = await escrow?.provider(escrow.wallet);
    const stake = String(account?.stake);
    const { ageMs, ...record } = (known.get(paid.peer.id) ?? assert.fail()) as { readonly ageMs: number };
    assert.ok(Number.isInteger(ageMs) && ageMs >= 0, String(ageMs));
    assert.deepEqual(
      [known.get(free.peer.id), record],
      [null, { stake, freeStake: stake, earned: '0', rejected: '0', slashed: 1 }],
    );
    const { stdout } = await runInProcess([...args, '--rpc', chain.rpcUrl]);
    assert.match(stdout, /^PEER .* CHAIN RECORD +MACHINE/);
    assert.match(stdout, /earned 0 SOL in .*, 1 slashed, stake 9\.\d+ SOL/);
    assert.match(stdout, new RegExp(`${free.peer.id} .* - +`));

    // Another chain, a chain that is down, and the embedded one, which this does not start.
    const elsewhere = await startChain(context);
    for (const more of [['--rpc', elsewhere.rpcUrl], ['--rpc', 'http://127.0.0.1:1'], []]) {
      const shown = await runInProcess([...args, ...more, '--json']);
      assert.equal(shown.code, 0, shown.stderr);
      assert.deepEqual([...recordsIn(shown.stdout).values()], [null, null]);
    }
    assert.equal((await runInProcess(['chain', 'status', '--home', home, '--json'])).stdout, 'null\n');
  });

  it('reports peers as they come and go, and ends at Ctrl-C', async (context) => {
    const home = await temporaryHome(context);
    const provider = await startProvider(context);
    const cli = startCli([
      'peers',
      '--watch',
      '--json',
      '--home',
      home,
      '--private',
      provider.peer.network,
      '--no-mdns',
      '--bootstrap',
      provider.address,
    ]);
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

  it('succeeds without peers, and fails if a named peer cannot be reached', async (context) => {
    const home = await temporaryHome(context);
    const args = ['peers', '--home', home, '--private', 'test-nobody-is-here', '--no-mdns'];
    const alone = await runInProcess([...args, '--json']);
    assert.deepEqual([alone.code, alone.stdout], [0, '{"network":"test-nobody-is-here","peers":[]}\n']);
    assert.match(alone.stderr, /no peer found on network "test-nobody-is-here"/);
    const unreachable = await runInProcess([
      ...args,
      '--bootstrap',
      '/ip4/127.0.0.1/tcp/1/p2p/12D3KooWGRUfMGQKQfGkRGbFcRQYqfX2PYbCbqMpEZ9dPbqXGCnH',
    ]);
    assert.equal(unreachable.code, 4);
    assert.match(unreachable.stderr, /^qvac: [^\n]*connection refused[^\n]*\n {2}[^\n]+\n$/);
    assert.equal((await runInProcess([...args, '--bootstrap', 'nonsense'])).code, 2);
  });
});
