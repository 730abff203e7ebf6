import assert from 'node:assert/strict';
import { chmod, readdir, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { loadIdentity } from '../../../src/node/home/identity.ts';
import { runInProcess } from '../../support/cli.ts';
import { temporaryHome } from '../../support/home.ts';

interface Check {
  readonly name: string;
  readonly result: string;
  readonly detail: string;
  readonly fix: string | null;
}

async function newHome(context: TestContext) {
  const home = await temporaryHome(context, (root) => runInProcess(['chain', 'stop', '--home', root]));
  const run = (...args: readonly string[]) => runInProcess([...args, '--home', home]);
  const doctor = async (...args: readonly string[]) => {
    const { code, stdout } = await run('doctor', '--offline', '--json', '--http', '127.0.0.1:0', ...args);
    const { checks } = JSON.parse(stdout) as { readonly checks: readonly Check[] };
    const of = (name: string): Check | undefined => checks.find((check) => check.name === name);
    return { code, of };
  };
  return { home, run, doctor };
}

/** An endpoint that reports that genesis hash and has no program. */
async function endpointOf(context: TestContext, genesis: string): Promise<string> {
  const server = createServer((request, response) => {
    void request.toArray().then((chunks: readonly Buffer[]) => {
      const { method } = JSON.parse(Buffer.concat(chunks).toString('utf8')) as { readonly method: string };
      response.end(
        JSON.stringify({
          jsonrpc: '2.0',
          id: 1,
          result: method === 'getGenesisHash' ? genesis : { context: { slot: 1 }, value: null },
        }),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  context.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('doctor, the chain', () => {
  it('starts no chain and creates no wallet', async (context) => {
    const { home, doctor } = await newHome(context);
    const { of } = await doctor();
    assert.match(of('chain')?.detail ?? '', /not running, starts when a command needs it/);
    assert.match(of('wallet')?.detail ?? '', /^none yet/);
    assert.deepEqual([of('balance'), of('stake')], [undefined, undefined]);
    assert.deepEqual(
      (await readdir(home)).filter((name) => name !== 'models'),
      [],
    );
  });

  it('reports program, wallet, balance and stake of the embedded chain', async (context) => {
    const { home, run, doctor } = await newHome(context);
    assert.equal((await run('provider', 'register', '--stake', '0.5sol')).code, 0);
    const { code, of } = await doctor('--price-out', '1000');
    assert.equal(code, 0);
    assert.match(
      of('chain')?.detail ?? '',
      /^the embedded chain of this home \(solana:[1-9A-HJ-NP-Za-km-z]{32}\) at 127\.0\.0\.1:\d+, with the escrow program$/,
    );
    assert.match(
      of('wallet')?.detail ?? '',
      new RegExp(`^[1-9A-HJ-NP-Za-km-z]{32,44}, in ${home}/keys/wallet\\.json$`),
    );
    assert.match(of('balance')?.detail ?? '', /^99\.4\d* SOL$/);
    assert.match(of('stake')?.detail ?? '', /^0\.5 SOL, 0\.5 SOL of it free for jobs, node 12D3Koo…/);

    await chmod(join(home, 'keys', 'wallet.json'), 0o640);
    const readable = (await doctor()).of('wallet');
    assert.deepEqual([readable?.result, readable?.fix], ['warn', `chmod 600 ${home}/keys/wallet.json`]);
    await rm(join(home, 'keys', 'provider.key'));
    await loadIdentity(join(home, 'keys', 'provider.key'));
    const changed = (await doctor()).of('stake');
    assert.deepEqual([changed?.result, changed?.fix], ['warn', 'qvac provider rotate-peer']);

    // Another address has no program, which does not matter to free answers.
    const other = ['--escrow', '11111111111111111111111111111112'];
    const free = await doctor(...other);
    assert.deepEqual([free.code, free.of('chain')?.result, free.of('balance')], [0, 'warn', undefined]);
    const paying = await doctor(...other, '--max-price', '0.01sol');
    assert.deepEqual([paying.code, paying.of('chain')?.result], [3, 'fail']);
    assert.match(paying.of('chain')?.fix ?? '', /--escrow/);
  });

  it('warns about a chain that does not answer, and fails if prices or a maximum price are set', async (context) => {
    const { doctor } = await newHome(context);
    const gone = createServer();
    await new Promise<void>((resolve) => gone.listen(0, '127.0.0.1', resolve));
    const { port } = gone.address() as AddressInfo;
    await new Promise((resolve) => gone.close(resolve));
    const closed = ['--rpc', `http://127.0.0.1:${port}`];
    const free = await doctor(...closed);
    assert.deepEqual([free.code, free.of('chain')?.result], [0, 'warn']);
    assert.match(free.of('chain')?.detail ?? '', /ECONNREFUSED/);
    const paying = await doctor(...closed, '--price-out', '1');
    assert.deepEqual([paying.code, paying.of('chain')?.result], [4, 'fail']);
  });

  it('contacts no other machine with --offline', async (context) => {
    const { doctor } = await newHome(context);
    assert.equal(
      (await doctor('--network', 'devnet')).of('chain')?.detail,
      'api.devnet.solana.com: skipped (--offline)',
    );
  });

  it('warns about a chain of another network, and fails if it is mainnet', async (context) => {
    const { home, doctor } = await newHome(context);
    const wallet = ['--wallet', join(home, 'none.json')];
    const strange = await doctor('--network', 'devnet', '--rpc', await endpointOf(context, '9'.repeat(44)), ...wallet);
    assert.deepEqual([strange.of('chain')?.result, strange.of('wallet')?.result, strange.code], ['warn', 'fail', 3]);
    assert.match(strange.of('chain')?.detail ?? '', /is not Solana devnet$/);
    const real = await doctor(
      '--network',
      'devnet',
      '--rpc',
      await endpointOf(context, '5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d'),
    );
    assert.deepEqual([real.of('chain')?.result, real.code], ['fail', 3]);
    assert.match(real.of('chain')?.detail ?? '', /real money/);
  });
});
