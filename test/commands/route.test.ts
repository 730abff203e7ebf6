import assert from 'node:assert/strict';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type RunningCli, runInProcess, startCli } from '../support/cli.ts';
import { temporaryHome } from '../support/home.ts';
import { startProvider, type TestProvider } from '../support/market.ts';
import { startPeer } from '../support/peers.ts';
import { askRouter, code, receiveAnswer } from '../support/router.ts';

type Context = Parameters<typeof startProvider>[0];

interface Ready {
  readonly event: 'ready';
  readonly peer: string;
  readonly addrs: readonly [string, ...string[]];
  readonly network: string;
  readonly models: readonly unknown[];
}

const quiet = (home: string): readonly string[] => ['--home', home, '--private', 'test', '--no-mdns'];

/** Starts `qvac route` on loopback and waits until it is ready; it stops with the test. */
async function startRoute(
  context: Context,
  home: string,
  provider: TestProvider | null,
  ...more: readonly string[]
): Promise<{ readonly cli: RunningCli; readonly ready: Ready }> {
  const bootstrap = provider === null ? [] : ['--bootstrap', provider.address];
  const cli = startCli(['route', '--json', ...quiet(home), '--listen', '/ip4/127.0.0.1/tcp/0', ...bootstrap, ...more]);
  context.after(async () => {
    cli.send('SIGTERM');
    await cli.done;
  });
  await Promise.race([cli.stdout.until((text) => text.includes('\n')), cli.done]);
  return { cli, ready: JSON.parse(cli.stdout.lines[0] ?? 'null') as Ready };
}

describe('qvac route', () => {
  it('is found by ask of the same home, answers, and reports the result', async (context) => {
    const home = await temporaryHome(context);
    const provider = await startProvider(context);
    const { cli, ready } = await startRoute(context, home, provider);
    assert.deepEqual(Object.keys(ready), ['event', 'peer', 'addrs', 'reach', 'network', 'models']);
    assert.equal((await stat(join(home, 'run', 'router.json'))).mode & 0o777, 0o600);

    const asked = await runInProcess([
      'ask',
      'why?',
      '--json',
      '--model',
      'scripted',
      '--max-tokens',
      '20',
      ...quiet(home),
    ]);
    assert.equal(asked.code, 0, asked.stderr);
    const answer = JSON.parse(asked.stdout) as {
      readonly router: string;
      readonly provider: string;
      readonly verification: { readonly result: string };
    };
    assert.deepEqual(
      [answer.router, answer.provider, answer.verification.result],
      [ready.peer, provider.peer.id, 'pass'],
    );

    await cli.stdout.until((text) => text.includes('"answered"'));
    const event = JSON.parse(cli.stdout.lines[1] ?? '') as Record<string, unknown>;
    assert.deepEqual(Object.keys(event), [
      'event',
      'client',
      'provider',
      'jobId',
      'n',
      'finish',
      'result',
      'tier',
      'faults',
      'tries',
      'totalMs',
      'considered',
      'payment',
    ]);
    assert.deepEqual(Object.keys((event.considered as readonly object[])[0] ?? {}), ['peer', 'score', 'terms']);
    cli.send('SIGINT');
    assert.equal((await cli.done).code, 130);
    assert.match(await readFile(join(home, 'reputation.json'), 'utf8'), new RegExp(provider.peer.id));
    await assert.rejects(stat(join(home, 'run', 'router.json')));
  });

  it('does not audit answers of a model that it does not hold', async (context) => {
    const home = await temporaryHome(context);
    const provider = await startProvider(context);
    const { ready } = await startRoute(context, home, provider);
    const asked = await runInProcess([
      'ask',
      'why?',
      '--json',
      '--model',
      'scripted',
      '--max-tokens',
      '20',
      ...quiet(home),
    ]);
    const { receipt } = JSON.parse(asked.stdout) as { readonly receipt: string };
    const audited = await runInProcess(['verify', receipt, '--auditor', ready.addrs[0], ...quiet(home)]);
    assert.equal(audited.code, 7, audited.stderr);
    assert.match(audited.stderr, /does not hold the model/);
  });

  it('serves only its own home and the peers of --allow', async (context) => {
    const provider = await startProvider(context);
    const friend = await startPeer(context, { role: 'client' });
    const { ready } = await startRoute(context, await temporaryHome(context), provider, '--allow', friend.id);
    const [address] = ready.addrs;
    assert.equal((await receiveAnswer(await askRouter(context, { address }, {}, friend))).picked.length, 1);
    await assert.rejects(receiveAnswer(await askRouter(context, { address })), code('E_NOT_SERVED'));
  });

  it('keeps its peer id and its port from run to run', async (context) => {
    const home = await temporaryHome(context);
    const first = await startRoute(context, home, null);
    first.cli.send('SIGTERM');
    assert.equal((await first.cli.done).code, 143);
    const second = await startRoute(context, home, null);
    assert.deepEqual([second.ready.peer, second.ready.addrs], [first.ready.peer, first.ready.addrs]);
  });

  it('runs only once in a home', async (context) => {
    const home = await temporaryHome(context);
    await startRoute(context, home, null);
    const { code: exitCode, stderr } = await runInProcess(['route', ...quiet(home)]);
    assert.equal(exitCode, 3);
    assert.match(stderr, /the router of this home is in use/);
  });

  it('ends with the command to type on another machine', async (context) => {
    const home = await temporaryHome(context);
    const what =
      /qvac ask --private test --router \/ip4\/127\.0\.0\.1\/tcp\/\d+\/p2p\/12D3Koo\w+ "why is the sky blue\?"$/m;
    for (const terminal of [true, false]) {
      const cli = startCli(['route', ...quiet(home), '--listen', '/ip4/127.0.0.1/tcp/0'], { terminal });
      await cli.stderr.until((text) => text.includes('ready'));
      cli.send('SIGINT');
      const { stdout, stderr } = await cli.done;
      assert.equal(stdout, '');
      if (terminal) assert.match(stderr, what);
      else {
        const ready = stderr
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>)
          .find(({ event }) => event === 'ready');
        assert.match(String(ready?.message), what);
        assert.ok(Array.isArray(ready?.addrs));
      }
    }
  });

  it('refuses a bad peer id, model or address', async (context) => {
    const home = await temporaryHome(context);
    for (const [args, exitCode, message] of [
      [['--allow', 'bob'], 2, /\\"bob\\" is not a peer id/],
      [['--model', 'no-such-model'], 7, /no-such-model/],
      [['--model', join(home, 'nothing.gguf')], 7, /nothing\.gguf/],
      [['--listen', 'localhost', '--model', 'no-such-model'], 2, /localhost/],
      [['--http', '65536'], 2, /a port from 0 to 65535/],
    ] as const) {
      const { code: found, stderr } = await runInProcess(['route', ...quiet(home), ...args]);
      assert.equal(found, exitCode, stderr);
      assert.match(stderr, message);
    }
  });
});
