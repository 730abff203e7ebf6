import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startProgram } from '../support/binary.ts';
import { temporaryHome } from '../support/home.ts';
import { ask, type LoopbackMarket, loopbackMarket, RunningNode, withModel } from './market.ts';

const question = 'Name three colours.';

interface AskJson {
  readonly answer: string;
  readonly tokens: number;
  readonly provider: string;
  readonly router: string | null;
  readonly verification: { readonly result: string; readonly tier: string };
  readonly receipt: string;
}

/** Starts a provider of SmolLM2 as a separate process. */
async function startServe(
  context: Parameters<typeof temporaryHome>[0],
  market = loopbackMarket(),
  args: readonly string[] = [],
) {
  const home = await temporaryHome(context);
  await withModel(home);
  const node = new RunningNode(
    ['serve', '--model', 'smollm2-135m', '--threads', '1', '--slots', '1', ...market.flags, ...market.listen, ...args],
    home,
    context,
  );
  return { market, home, node, ...(await node.ready()) };
}

/** A client in the middle of a long answer. */
interface LongAnswer {
  readonly child: ReturnType<typeof startProgram>;
  /** Resolves with the first text. Rejects if the process ends before. */
  readonly streaming: Promise<void>;
  /** The exit code, null after a signal. */
  readonly closed: Promise<number | null>;
  stderr(): string;
}

function startLongAnswer(
  context: Parameters<typeof temporaryHome>[0],
  market: LoopbackMarket,
  home: string,
  address: string,
): LongAnswer {
  const child = startProgram(
    [
      'ask',
      ...market.flags,
      '--provider',
      address,
      '--max-tokens',
      '2000',
      // Without it a story may be short enough to be over before the client is killed.
      '--regex',
      '[a-z ]{8000,}',
      'Tell me a very long story.',
    ],
    { home },
  );
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const closed = new Promise<number | null>((resolve) => child.on('close', resolve));
  const streaming = Promise.race([
    new Promise<void>((resolve) => child.stdout.once('data', () => resolve())),
    closed.then((code) => {
      throw new Error(`the client ended with ${code} before its first text: ${stderr}`);
    }),
  ]);
  // Awaited by the tests that need it.
  streaming.catch(() => undefined);
  context.after(async () => {
    child.kill('SIGKILL');
    await closed;
  });
  child.stdin.end();
  return { child, streaming, closed, stderr: () => stderr };
}

describe('qvac ask, between real processes', () => {
  it('prints only the answer to stdout, recipient first and trust line last to stderr', async (context) => {
    const { market, peer, address } = await startServe(context);
    const home = await temporaryHome(context);
    await withModel(home);
    const { code, stdout, stderr } = await ask(market, home, [
      '--provider',
      address,
      '--threads',
      '1',
      '--max-tokens',
      '24',
      question,
    ]);
    assert.equal(code, 0, stderr);
    assert.ok(stdout.trim().length > 0);
    assert.doesNotMatch(stdout, /12D3KooW|receipt|→|✓/);
    const lines = stderr.trim().split('\n');
    assert.ok(
      lines.some((line) => line.startsWith(`→ provider ${peer}`)),
      stderr,
    );
    assert.match(
      lines.at(-1) ?? '',
      /^✓ \d+ tokens · .* · verified (exact|statistical) (\d+)\/\2 · receipt [0-9a-f]{4}…[0-9a-f]{2}$/,
    );
  });

  it('never says verified without the model file', async (context) => {
    const { market, address } = await startServe(context);
    const { code, stderr } = await ask(market, await temporaryHome(context), [
      '--provider',
      address,
      '--max-tokens',
      '16',
      question,
    ]);
    assert.equal(code, 0, stderr);
    assert.match(stderr.trim().split('\n').at(-1) ?? '', /checked: sampling/);
    assert.doesNotMatch(stderr, /verified/);
  });

  it('reproduces an answer with the same seed, and exits with 6 if an explicit full check is impossible', async (context) => {
    const { market, address } = await startServe(context);
    const home = await temporaryHome(context);
    const args = ['--provider', address, '--max-tokens', '20', '--seed', '7', '--json'];
    const first = await ask(market, home, [...args, question]);
    const second = await ask(market, home, args, question);
    assert.equal(first.code, 0, first.stderr);
    const [one, two] = [first, second].map(({ stdout }) => JSON.parse(stdout) as AskJson);
    assert.equal(one?.answer, two?.answer);
    assert.notEqual(one?.receipt, two?.receipt);
    assert.deepEqual(Object.keys(one ?? {}), [
      'answer',
      'finish',
      'tokens',
      'provider',
      'router',
      'model',
      'earlier',
      'verification',
      'atFault',
      'audit',
      'consensus',
      'referees',
      'receipt',
      'timing',
      'cost',
    ]);
    const full = await ask(market, home, ['--provider', address, '--max-tokens', '8', '--verify', 'full', question]);
    assert.equal(full.code, 6, full.stderr);
    assert.doesNotMatch(full.stderr, /verified/);
  });

  it('goes through the person’s own router if it runs, which checks what the client cannot', async (context) => {
    const market = loopbackMarket();
    const home = await temporaryHome(context);
    const model = await withModel(await temporaryHome(context));
    const router = new RunningNode(
      ['route', '--model', model, '--threads', '1', ...market.flags, ...market.listen],
      home,
      context,
    );
    const { peer: routerPeer, address } = await router.ready();
    const { peer } = await startServe(context, market, ['--bootstrap', address]);
    const { code, stdout, stderr } = await ask(market, home, [
      '--model',
      'smollm2-135m',
      '--max-tokens',
      '24',
      '--json',
      question,
    ]);
    assert.equal(code, 0, stderr);
    const value = JSON.parse(stdout) as AskJson;
    assert.deepEqual([value.provider, value.router, value.verification.result], [peer, routerPeer, 'pass']);
    assert.match(value.verification.tier, /^(exact|statistical)$/);
  });

  it('finds a provider by Kademlia from the address of another node', async (context) => {
    const market = loopbackMarket();
    const bootstrapHome = await temporaryHome(context);
    const { address } = await new RunningNode(
      ['route', ...market.flags, ...market.listen],
      bootstrapHome,
      context,
    ).ready();
    const { peer } = await startServe(context, market, ['--bootstrap', address]);
    const { code, stdout, stderr } = await ask(market, await temporaryHome(context), [
      '--bootstrap',
      address,
      '--model',
      'smollm2-135m',
      '--max-tokens',
      '8',
      '--json',
      question,
    ]);
    assert.equal(code, 0, stderr);
    assert.equal((JSON.parse(stdout) as AskJson).provider, peer);
  });

  it('exits with 4 and TRUNCATED if the provider is killed mid-answer', async (context) => {
    const { market, node, address } = await startServe(context);
    const client = startLongAnswer(context, market, await temporaryHome(context), address);
    await client.streaming;
    node.child.kill('SIGKILL');
    assert.equal(await client.closed, 4, client.stderr());
    assert.match(client.stderr(), /E_TRUNCATED|broke off|truncated|connection/i);
    assert.doesNotMatch(client.stderr(), /✓/);
  });

  it('exits with 4 before its deadline if the provider freezes mid-answer', async (context) => {
    const { market, node, address } = await startServe(context);
    const client = startLongAnswer(context, market, await temporaryHome(context), address);
    await client.streaming;
    node.child.kill('SIGSTOP');
    assert.equal(await client.closed, 4, client.stderr());
    assert.doesNotMatch(client.stderr(), /✓/);
  });

  it('frees the slot if the client is killed mid-answer', async (context) => {
    const { market, node, address } = await startServe(context);
    const client = startLongAnswer(context, market, await temporaryHome(context), address);
    await client.streaming;
    client.child.kill('SIGKILL');
    await client.closed;
    await node.event('job-failed');
    const { code, stderr } = await ask(market, await temporaryHome(context), [
      '--provider',
      address,
      '--max-tokens',
      '4',
      question,
    ]);
    assert.equal(code, 0, stderr);
  });

  it('settles what was delivered at Ctrl-C, and exits with 130', async (context) => {
    const { market, address } = await startServe(context);
    const client = startLongAnswer(context, market, await temporaryHome(context), address);
    await client.streaming;
    client.child.kill('SIGINT');
    assert.equal(await client.closed, 130, client.stderr());
    assert.match(client.stderr(), /receipt [0-9a-f]{4}…/);
  });

  it('exits with 4 if no provider offers the model', async (context) => {
    const market = loopbackMarket();
    const { code, stdout, stderr } = await ask(market, await temporaryHome(context), [
      '--model',
      'smollm2-135m',
      question,
    ]);
    assert.equal(code, 4, stderr);
    assert.equal(stdout, '');
    assert.equal(stderr.split('\n').filter((line) => line.startsWith('qvac:')).length, 1);
  });
});
