import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { parseAddress } from '../../src/escrow/addresses.ts';
import { escrowRules } from '../../src/escrow/constants.ts';
import { runProgram, startProgram } from '../support/binary.ts';
import { type ChainLine, type Held, openChainLine, transaction } from '../support/chain-line.ts';
import { createGate } from '../support/gate.ts';
import { temporaryHome } from '../support/home.ts';
import { type PaidProviderInit, paidPriceOf, startPaidProvider } from '../support/paid.ts';
import { SOL, startChain, type TestChain } from '../support/payments.ts';

// The real program, killed while it holds a channel: the next command of its home finds the channel and ends it.

const fee = 5_000n;
/** Opening has the signature of the terms, too. */
const openingFee = 2n * fee;

interface Listed {
  readonly id: string;
  readonly state: string;
  readonly deposit: string;
  readonly committed: string;
  readonly released: string;
}

/** A home with a wallet, and its line to the chain. */
class Home {
  readonly line: ChainLine;
  readonly #context: TestContext;
  readonly #home: string;
  readonly #wallet: Uint8Array;
  readonly #chain: TestChain;

  constructor(
    context: TestContext,
    chain: TestChain,
    { line, home, wallet }: { readonly line: ChainLine; readonly home: string; readonly wallet: Uint8Array },
  ) {
    this.#context = context;
    this.#chain = chain;
    this.line = line;
    this.#home = home;
    this.#wallet = wallet;
  }

  #flags(args: readonly string[]): readonly string[] {
    return [...args, '--private', 'test', '--no-mdns', '--rpc', this.line.url];
  }

  /** Runs a command to its end, and reads its JSON. */
  async run<Value>(...args: readonly string[]): Promise<Value> {
    const { code, stdout, stderr } = await runProgram(this.#flags([...args, '--json']), { home: this.#home });
    assert.equal(code, 0, `${args.join(' ')}: ${stderr}`);
    return JSON.parse(stdout) as Value;
  }

  /** Starts a command, and kills it once `happens`. @throws Error if it ends before */
  async kill(happens: Promise<unknown>, ...args: readonly string[]): Promise<void> {
    const child = startProgram(this.#flags(args), { home: this.#home });
    this.#context.after(() => child.kill('SIGKILL'));
    let said = '';
    child.stdin.end();
    child.stdout.resume();
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
    const ended = once(child, 'close');
    const early = ended.then(() => Promise.reject(new Error(`it ended before: ${said}`)));
    await Promise.race([happens, early]);
    early.catch(() => undefined);
    child.kill('SIGKILL');
    await ended;
  }

  async killWhileHeld(held: Held, ...args: readonly string[]): Promise<void> {
    await this.kill(held.reached, ...args);
    held.release();
  }

  async channels(): Promise<readonly Listed[]> {
    return (await this.run<{ readonly channels: readonly Listed[] }>('channels', 'ls')).channels;
  }

  async channel(): Promise<Listed> {
    const [only, ...others] = await this.channels();
    assert.equal(others.length, 0);
    return only ?? assert.fail('no channel is listed');
  }

  /** Channels that have not ended, as far as this home knows. */
  async notes(): Promise<number> {
    const { stdout } = await runProgram(['status', '--json'], { home: this.#home });
    return (JSON.parse(stdout) as { readonly channels: { readonly paying: { readonly open: number } } }).channels.paying
      .open;
  }

  async balance(): Promise<bigint> {
    return (await this.#chain.wallet(0n)).balance(this.#wallet);
  }
}

async function start(context: TestContext, init: PaidProviderInit = {}) {
  const chain = await startChain(context);
  const [{ provider, paid }, line, home] = await Promise.all([
    startPaidProvider(context, chain, init),
    openChainLine(context, chain.rpcUrl),
    temporaryHome(context),
  ]);
  const made = await runProgram(['wallet', 'new', '--json'], { home });
  const wallet = parseAddress((JSON.parse(made.stdout) as { readonly address: string }).address);
  await chain.fund(wallet, SOL);
  const ask = (maxTokens: number, ...args: readonly string[]): readonly string[] => {
    const limits = ['--max-tokens', String(maxTokens), '--max-price', '0.01sol', '--verify', 'sampling'];
    return ['ask', '--provider', provider.address, '--no-stdin', ...limits, ...args, 'hi'];
  };
  return { chain, provider, paid, home: new Home(context, chain, { line, home, wallet }), ask };
}

test('a client that is killed while its channel opens: the next command of its home gets the deposit back', {
  timeout: 180_000,
}, async (context) => {
  const { chain, paid, home, ask } = await start(context);
  const before = await home.balance();
  // The chain has the deposit, and the process does not know.
  await home.killWhileHeld(home.line.hold('answer', transaction()), ...ask(8, '--pay', 'channel'));
  const { state, committed, id } = await home.channel();
  assert.deepEqual([state, committed], ['open', '0']);
  // Whatever runs next closes it: here a question that is paid otherwise.
  await home.run(...ask(8, '--pay', 'job'));
  await chain.warp(121);
  const { news } = await paid.channelNews.until('closed');
  assert.deepEqual([news.lamports, news.channel.slice(0, 8)], [0n, id.slice(0, 8)]);
  const { news: job } = await paid.news.until('paid');
  await home.run('channels', 'close', id);
  assert.deepEqual([await home.channels(), await home.notes()], [[], 0]);
  assert.equal(await home.balance(), before - openingFee - job.lamports - 2n * fee);
});

test('a client that is killed in the middle of an answer pays for what it acknowledged, and gets the rest back', {
  timeout: 180_000,
}, async (context) => {
  const gate = createGate(40);
  const { chain, provider, paid, home, ask } = await start(context, { script: { beforeStep: gate.beforeStep } });
  const before = await home.balance();
  await home.kill(gate.reached, ...ask(80, '--pay', 'channel'));
  const accepted = await provider.events.until('job-accepted');
  const { finish, tokens } = await provider.events.until('job-finished');
  assert.deepEqual([finish, tokens], [3, 40]);
  const { id, committed, released } = await home.channel();
  const prices = [1, 32].map((n) => paidPriceOf(accepted.promptTokens, n));
  // Its last acknowledgement was of the first token, or of the first head.
  assert.ok(prices.includes(BigInt(committed)), `${committed} of ${prices.join(', ')}`);
  assert.equal(released, '0');
  await chain.warp(121);
  const first = await home.run<{ readonly state: string }>('channels', 'close', id);
  const { news } = await paid.channelNews.until('closed');
  assert.equal(news.lamports, BigInt(committed));
  if (first.state === 'closing') await home.run('channels', 'close', id);
  assert.deepEqual([await home.channels(), await home.notes()], [[], 0]);
  assert.equal(await home.balance(), before - openingFee - news.lamports);
});

test('a client that is killed at each step of a closing without its provider: the next command goes on', {
  timeout: 180_000,
}, async (context) => {
  const { chain, provider, home, ask } = await start(context);
  const before = await home.balance();
  await home.run(...ask(8, '--pay', 'channel'));
  const { id, released } = await home.channel();
  await provider.provider.stop();
  await provider.peer.stop();
  const close = ['channels', 'close', id];
  assert.equal((await home.run<{ readonly state: string }>(...close)).state, 'closing');
  await chain.warp(601);
  // The chain has the request, and the process does not know.
  await home.killWhileHeld(home.line.hold('answer', transaction()), ...close);
  assert.equal((await home.channel()).state, 'closing');
  assert.equal((await home.run<{ readonly state: string }>(...close)).state, 'requested');
  await chain.warp(escrowRules.closeWindowMs / 1_000 + 1);
  await home.killWhileHeld(home.line.hold('request', transaction()), ...close);
  await home.killWhileHeld(home.line.hold('answer', transaction()), ...close);
  assert.deepEqual([await home.channels(), await home.notes()], [[], 1]);
  // The next command finds on the chain how it ended, and removes its note.
  assert.equal((await home.run<{ readonly state: string }>(...close)).state, 'finished');
  assert.equal(await home.notes(), 0);
  assert.equal(await home.balance(), before - openingFee - 2n * fee - BigInt(released));
});
