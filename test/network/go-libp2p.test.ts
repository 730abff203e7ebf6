import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { raceSignal } from '../../src/lib/abort.ts';
import { jobProtocol } from '../../src/protocol/constants.ts';
import { hasReservations, startHidden, startRelay } from '../support/circuits.ts';
import { addressOf, startPeer } from '../support/peers.ts';

const source = fileURLToPath(new URL('./go/', import.meta.url));
const deadlineMs = 60_000;
/** The first build on a machine compiles all of go-libp2p. */
const buildMs = 600_000;
const echo = { t: 'tokens', i: 0, tokens: [1, 2, 3], text: 'one two three' } as const;

/** Builds the node of go-libp2p without the network. @returns its path, or why there is none */
function build(folder: string): { readonly program: string } | { readonly missing: string } {
  const program = join(folder, 'node');
  const path = `${process.env.PATH ?? ''}:/usr/local/go/bin`;
  const env = { ...process.env, PATH: path, GOPROXY: 'off', GOFLAGS: '-mod=readonly', GOTOOLCHAIN: 'local' };
  try {
    execFileSync('go', ['build', '-o', program, '.'], { cwd: source, env, timeout: buildMs, stdio: 'pipe' });
    return { program };
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr) : '';
    const isMissing = /ENOENT|module lookup disabled|requires go/.test(`${error} ${said}`);
    if (!isMissing) throw error;
    return { missing: 'the node of go-libp2p is not built: install Go, then go mod download in test/network/go' };
  }
}

interface GoNode {
  readonly id: string;
  readonly addresses: readonly string[];
}

/** Starts the node, and waits for what it prints first. Killed with the test. */
async function start(context: TestContext, program: string, ...args: readonly string[]): Promise<GoNode> {
  const child: ChildProcess = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  context.after(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  assert.ok(child.stdout);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const { value } = await raceSignal(lines.next(), AbortSignal.timeout(deadlineMs));
  const said = JSON.parse(String(value)) as GoNode & { readonly error?: string };
  assert.equal(said.error, undefined);
  return said;
}

describe('with go-libp2p', () => {
  let built: ReturnType<typeof build> = { missing: 'not built yet' };
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'qvac-test-'));
    built = build(folder);
  });
  after(() => rm(folder, { recursive: true, force: true }));
  const test = (name: string, run: (context: TestContext, program: string) => Promise<void>): void =>
    void it(name, async (context) => {
      if ('missing' in built) return context.skip(built.missing);
      await run(context, built.program);
    });

  test('its client reaches a provider through this relay', async (context, program) => {
    const { peer: relay, server } = await startRelay(context);
    const provider = await startHidden(context, [addressOf(relay)]);
    const came = once(provider.events, 'connect', { signal: AbortSignal.timeout(deadlineMs) });
    // It prints its id once it has been answered.
    const { id } = await start(context, program, 'client', addressOf(provider));
    assert.deepEqual(await came, [id]);
    assert.ok(server.stats().bytes > 0);
  });

  test('its provider is reached through this relay', async (context, program) => {
    const { peer: relay } = await startRelay(context);
    const { id } = await start(context, program, 'provider', addressOf(relay));
    const client = await startPeer(context, { role: 'client' });
    for (const eager of [true, false]) {
      const target = `${addressOf(relay)}/p2p-circuit/p2p/${id}`;
      const stream = await client.open(target, '/test/echo/1.0.0', { eager });
      await stream.write(echo);
      assert.deepEqual(await stream.read(['tokens']), echo);
      await stream.close();
      assert.equal(await stream.read(['tokens']), null);
    }
  });

  test('its relay carries a job between this client and this provider', async (context, program) => {
    const { id, addresses } = await start(context, program, 'relay');
    const provider = await startHidden(context, [`${addresses[0]}/p2p/${id}`]);
    await hasReservations(provider, 1);
    const client = await startPeer(context, { role: 'client' });
    const stream = await client.open(addressOf(provider), jobProtocol, { eager: true });
    assert.equal(stream.remote.peer, provider.id);
    for (let i = 0; i < 100; i++) {
      await stream.write({ ...echo, i, text: 'x'.repeat(10_000) });
      assert.equal((await stream.read(['tokens']))?.i, i);
    }
  });
});
