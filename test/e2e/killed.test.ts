import assert from 'node:assert/strict';
import { once } from 'node:events';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { JobAccount } from '../../src/escrow/accounts.ts';
import { addressText } from '../../src/escrow/addresses.ts';
import type { Escrow } from '../../src/escrow/escrow.ts';
import { loadWallet } from '../../src/escrow/wallet.ts';
import { delay } from '../../src/lib/abort.ts';
import { toHex } from '../../src/lib/bytes.ts';
import { runProgram, startProgram } from '../support/binary.ts';
import { type Call, type ChainLine, openChainLine, transaction } from '../support/chain-line.ts';
import { withOpening } from '../support/cheats/transcripts.ts';
import { temporaryHome } from '../support/home.ts';
import { startProvider } from '../support/market.ts';
import { providerPayments, startChain, type TestChain } from '../support/payments.ts';
import { RunningNode, withModel } from './market.ts';

// The real program, killed at each step of a paid answer: the money still goes where it belongs.

const flags = ['--private', 'test', '--no-mdns'];
const fee = 5_000n;
/** For locking an amount and for confirming its payment. */
const bothFees = 2n * fee;
const chainClock = 'SysvarC1ock11111111111111111111111111111111';

/** The most tokens, and what keeps an answer from being over before somebody is killed. */
const long = [2_000, '--regex', '[a-z ]{8000,}'] as const;

/** Polls until the condition holds. */
async function eventually<Value>(look: () => Promise<Value | null>): Promise<Value> {
  const limit = AbortSignal.timeout(60_000);
  for (;;) {
    const found = await look();
    if (found !== null) return found;
    await delay(20, limit);
  }
}

/** A `qvac ask`. */
class Asking {
  stdout = '';
  stderr = '';
  readonly #child;
  readonly #text = Promise.withResolvers<void>();
  /** Exit code, null if it was killed. */
  readonly exited: Promise<number | null>;

  constructor(context: TestContext, home: string, args: readonly string[]) {
    this.#child = startProgram(['ask', ...flags, '--yes', '--verify', 'sampling', '--temperature', '0', ...args], {
      home,
    });
    this.#child.stdin.end();
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
      this.#text.resolve();
    });
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.exited = once(this.#child, 'close').then(([code]) => {
      this.#text.reject(new Error(`it ended without a text: ${this.stderr}`));
      return code as number | null;
    });
    this.#text.promise.catch(() => undefined);
    context.after(() => this.kill());
  }

  /** Resolves with the first text. */
  streams(): Promise<void> {
    return this.#text.promise;
  }

  /** Waits for `happens` while the process runs. @throws Error if the process ends before */
  async until(happens: Promise<void>): Promise<void> {
    const ended = this.exited.then((code) => {
      throw new Error(`it ended with ${code}: ${this.stderr}`);
    });
    await Promise.race([happens, ended]);
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.exited;
  }
}

/** The payment in `qvac receipts show`. */
async function settledInReceipt(home: string, { jobId }: JobAccount): Promise<readonly unknown[]> {
  const { code, stdout, stderr } = await runProgram(['receipts', 'show', toHex(jobId), '--json'], { home });
  assert.equal(code, 0, stderr);
  const { payment } = JSON.parse(stdout) as {
    readonly payment: { readonly settlement: { readonly state: string; readonly paid: string } | null } | null;
  };
  return [payment?.settlement?.state, payment?.settlement?.paid];
}

/** A provider and a client, each with its own home and its own line to the chain. */
class Market {
  readonly #context: TestContext;
  readonly chain: TestChain;
  /** Only looks. */
  readonly escrow: Escrow;
  readonly providerLine: ChainLine;
  readonly clientLine: ChainLine;
  readonly #providerHome: string;
  readonly clientHome: string;
  #node: RunningNode | null = null;

  constructor(
    context: TestContext,
    parts: {
      readonly chain: TestChain;
      readonly escrow: Escrow;
      readonly lines: readonly [ChainLine, ChainLine];
      readonly homes: readonly [string, string];
    },
  ) {
    this.#context = context;
    this.chain = parts.chain;
    this.escrow = parts.escrow;
    [this.providerLine, this.clientLine] = parts.lines;
    [this.#providerHome, this.clientHome] = parts.homes;
  }

  get node(): RunningNode {
    if (this.#node === null) throw new Error('nobody serves');
    return this.#node;
  }

  /** Starts the provider, also after it was killed. */
  async serve(): Promise<void> {
    const args = [
      'serve',
      ...flags,
      '--listen',
      '/ip4/127.0.0.1/tcp/0',
      '--model',
      'smollm2-135m',
      '--threads',
      '1',
      '--price-in',
      '1000',
      '--price-out',
      '0.00002sol',
      '--rpc',
      this.providerLine.url,
    ];
    this.#node = new RunningNode(args, this.#providerHome, this.#context);
    await this.#node.ready();
  }

  async ask(maxTokens: number, ...args: readonly string[]): Promise<Asking> {
    const { address } = await this.node.ready();
    return new Asking(this.#context, this.clientHome, [
      '--rpc',
      this.clientLine.url,
      '--provider',
      address,
      '--max-tokens',
      String(maxTokens),
      ...args,
      'Count from one to one hundred in words.',
    ]);
  }

  /** The first news of a payment in one of `states`. */
  payment(states: 'submitted' | 'paid' | 'submitted or paid', job: JobAccount): Promise<Record<string, unknown>> {
    const id = Buffer.from(job.jobId).toString('hex');
    const wanted = states.split(' or ');
    return this.node.until(
      (event) => event.event === 'payment' && wanted.includes(String(event.state)) && event.job === id,
      `payment ${states}`,
    );
  }

  /** The unsettled job that is none of `others`. */
  job(...others: readonly JobAccount[]): Promise<JobAccount> {
    const known = new Set(others.map(({ address }) => toHex(address)));
    return eventually(async () => (await this.#jobs()).find(({ address }) => !known.has(toHex(address))) ?? null);
  }

  async #jobs(): Promise<readonly JobAccount[]> {
    const providers = await this.escrow.providers();
    return (await Promise.all(providers.map(({ authority }) => this.escrow.jobs({ provider: authority })))).flat();
  }

  async balance(): Promise<bigint> {
    const wallet = await loadWallet(join(this.clientHome, 'keys', 'wallet.json'));
    return wallet === null ? 0n : this.escrow.balance(wallet.publicKey);
  }

  /** The jobs that stay open after a later command of the client has settled what it can. */
  async leftOpen(): Promise<readonly unknown[]> {
    await this.#clientCommand('jobs', 'settle');
    return ((await this.#clientCommand('jobs', 'ls')) as { readonly jobs: readonly unknown[] }).jobs;
  }

  /** The client's only channel. */
  async channel(): Promise<{ readonly id: string; readonly committed: string; readonly released: string }> {
    const { channels } = (await this.#clientCommand('channels', 'ls')) as {
      readonly channels: readonly { readonly id: string; readonly committed: string; readonly released: string }[];
    };
    const [only] = channels;
    if (only === undefined || channels.length > 1) throw new Error(`${channels.length} channels are listed`);
    return only;
  }

  async closeChannel(id: string): Promise<void> {
    await this.#clientCommand('channels', 'close', id);
  }

  /** Makes the client's wallet, which the local network fills. */
  async fundClient(): Promise<void> {
    await this.#clientCommand('wallet', 'balance');
  }

  async #clientCommand(...args: readonly string[]): Promise<unknown> {
    const { code, stdout, stderr } = await runProgram([...args, ...flags, '--rpc', this.clientLine.url, '--json'], {
      home: this.clientHome,
    });
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout);
  }

  /** Nothing is locked any more. */
  async settled(): Promise<void> {
    await eventually(async () => ((await this.#jobs()).length === 0 ? true : null));
  }

  async outcome({ address }: JobAccount) {
    const outcome = await this.escrow.jobOutcome(address);
    if (outcome === null) throw new Error('it is not settled');
    return outcome;
  }
}

async function openMarket(context: TestContext): Promise<Market> {
  const chain = await startChain(context);
  const [providerLine, clientLine, providerHome, clientHome] = await Promise.all([
    openChainLine(context, chain.rpcUrl),
    openChainLine(context, chain.rpcUrl),
    temporaryHome(context),
    temporaryHome(context),
  ]);
  await withModel(providerHome);
  return new Market(context, {
    chain,
    escrow: await chain.wallet(0n),
    lines: [providerLine, clientLine],
    homes: [providerHome, clientHome],
  });
}

test('processes that are killed at each step of a paid answer', { timeout: 600_000 }, async (context) => {
  const market = await openMarket(context);
  await market.serve();
  await market.fundClient();

  await context.test('a client between submit and confirm: its next command confirms', async () => {
    const before = await market.balance();
    const held = market.clientLine.hold('request', transaction(2));
    const asking = await market.ask(8);
    await asking.until(held.reached);
    const job = await market.job();
    assert.ok(job.submitted !== null);
    await asking.kill();
    held.release();
    assert.deepEqual(await market.leftOpen(), []);
    const { how, paid } = await market.outcome(job);
    assert.deepEqual([how, paid], ['confirmed', job.submitted.payout]);
    assert.deepEqual(await settledInReceipt(market.clientHome, job), ['confirmed', String(paid)]);
    await market.payment('paid', job);
    assert.equal(await market.balance(), before - bothFees - paid);
  });

  await context.test('a provider in the middle of an answer: is paid for what was acknowledged', async () => {
    const before = await market.balance();
    const asking = await market.ask(...long);
    await asking.streams();
    const job = await market.job();
    await market.node.kill();
    assert.equal(await asking.exited, 4, asking.stderr);
    assert.match(asking.stderr, /can be paid for the prompt and \d+ tokens at most: .* the rest is refunded/);
    await market.serve();
    const { lamports } = await market.payment('submitted', job);
    // The client's next command pays it.
    assert.deepEqual(await market.leftOpen(), []);
    await market.payment('paid', job);
    const { how, paid, refunded } = await market.outcome(job);
    assert.deepEqual([how, String(paid), paid + refunded], ['confirmed', lamports, job.amount]);
    assert.ok(paid > 0n && paid < job.amount / 2n, `${paid} of ${job.amount} lamports`);
    assert.equal(await market.balance(), before - bothFees - paid);
  });

  await context.test('a provider between the final head and its submit: submits when it starts again', async () => {
    const before = await market.balance();
    const held = market.providerLine.hold('request', transaction());
    const asking = await market.ask(8);
    await asking.until(held.reached);
    const job = await market.job();
    assert.equal(job.submitted, null);
    await market.node.kill();
    held.release();
    await market.serve();
    // A client that still waits may confirm before the provider has looked at what it submitted.
    await market.payment('submitted or paid', job);
    assert.equal(await asking.exited, 0, asking.stderr);
    // A client that did not wait this long confirms with its next command.
    assert.deepEqual(await market.leftOpen(), []);
    await market.payment('paid', job);
    const { how, paid } = await market.outcome(job);
    assert.deepEqual([how, await market.balance()], ['confirmed', before - bothFees - paid]);
    assert.ok(paid > 0n);
  });

  await context.test('a provider between submit and confirm: is paid all the same', async () => {
    const before = await market.balance();
    const held = market.clientLine.hold('request', transaction(2));
    const asking = await market.ask(8);
    await asking.until(held.reached);
    const job = await market.job();
    assert.ok(job.submitted !== null);
    await market.node.kill();
    held.release();
    assert.equal(await asking.exited, 0, asking.stderr);
    await market.settled();
    await market.serve();
    assert.equal((await market.payment('paid', job)).lamports, job.submitted.payout.toString());
    assert.equal(await market.balance(), before - bothFees - job.submitted.payout);
  });
});

test('a provider that is killed in the middle of an answer in a channel is paid as far as it was acknowledged', {
  timeout: 600_000,
}, async (context) => {
  const market = await openMarket(context);
  await market.serve();
  await market.fundClient();
  const before = await market.balance();
  const asking = await market.ask(...long, '--pay', 'channel');
  await asking.streams();
  await market.node.kill();
  assert.equal(await asking.exited, 4, asking.stderr);
  const { id, committed, released } = await market.channel();
  // The client has released what it acknowledged, though nobody was there to be told.
  assert.ok(BigInt(committed) > 0n && released === committed, `${committed}, ${released}`);
  await market.serve();
  await market.chain.warp(121);
  await market.closeChannel(id);
  const isClosed = (event: Record<string, unknown>): boolean => event.event === 'channel' && event.state === 'closed';
  const { channel, lamports } = await market.node.until(isClosed, 'the end of the channel');
  assert.deepEqual([channel, lamports], [id, committed]);
  // The fee of opening, with the signature of the terms.
  assert.equal(await market.balance(), before - 2n * fee - BigInt(committed));
});

test('processes that are killed and let the time pass', { timeout: 600_000 }, async (context) => {
  const market = await openMarket(context);
  await market.serve();
  await market.fundClient();
  const before = await market.balance();

  // A client between the lock and its offer.
  const locked = market.clientLine.hold('answer', transaction());
  const silent = await market.ask(8);
  await silent.until(locked.reached);
  await silent.kill();
  locked.release();
  const unoffered = await market.job();
  assert.equal(unoffered.submitted, null);

  // A client in the middle of an answer.
  const reading = await market.ask(...long);
  await reading.streams();
  const begun = await market.job(unoffered);
  await reading.kill();
  const { lamports } = await market.payment('submitted', begun);
  assert.ok(BigInt(String(lamports)) > 0n && BigInt(String(lamports)) < begun.amount / 2n);

  // Both, while the provider waits for the account.
  const others = [chainClock, ...(await market.escrow.providers()).map(({ address }) => addressText(address))];
  const looking = market.providerLine.hold(
    'request',
    ({ method, params }: Call) => method === 'getAccountInfo' && !others.includes(String(params[0])),
  );
  const waiting = await market.ask(8);
  await waiting.until(looking.reached);
  const unanswered = await market.job(unoffered, begun);
  await Promise.all([waiting.kill(), market.node.kill()]);
  looking.release();
  await market.serve();
  assert.equal((await market.leftOpen()).length, 3);

  const deadlines = [unoffered, begun, unanswered].map(({ refundAt, createdAt }) => refundAt - createdAt);
  await market.chain.warp(Math.ceil(Math.max(...deadlines) / 1_000));
  // The provider has its answer paid, and leaves alone what it never answered: a stranger refunds one of these jobs, the
  // client's next command the other.
  assert.equal((await market.payment('paid', begun)).lamports, lamports);
  await (await market.chain.wallet()).refundJob(unanswered);
  assert.deepEqual(await market.leftOpen(), []);
  for (const job of [unoffered, unanswered]) {
    const { how, refunded } = await market.outcome(job);
    assert.deepEqual([how, refunded], ['refunded', job.amount]);
  }
  const { how, paid, refunded, burnt } = await market.outcome(begun);
  assert.deepEqual([how, String(paid), paid + refunded, burnt], ['confirmed', lamports, begun.amount, 0n]);
  // Three locks and one refund.
  assert.equal(await market.balance(), before - paid - 3n * fee - fee);
});

test('a client that is killed while it rejects: its next command rejects', { timeout: 600_000 }, async (context) => {
  const market = await openMarket(context);
  const cheat = await startProvider(context, {
    offering: { priceIn: 1_000, priceOut: 20_000 },
    createTranscript: withOpening((opening) => ({ ...opening, steps: opening.steps.slice(1) })),
    payments: async (peer) => (await providerPayments(context, market.chain, peer)).payments,
  });
  const held = market.clientLine.hold('request', transaction(2));
  const asking = new Asking(context, market.clientHome, [
    '--rpc',
    market.clientLine.url,
    '--provider',
    cheat.address,
    '--max-tokens',
    '8',
    'hello',
  ]);
  await asking.until(held.reached);
  const job = await market.job();
  assert.ok(job.submitted !== null);
  const before = await market.balance();
  await asking.kill();
  held.release();
  assert.deepEqual(await market.leftOpen(), []);
  const { how, paid, burnt } = await market.outcome(job);
  assert.deepEqual([how, paid, burnt], ['rejected', 0n, job.submitted.payout]);
  assert.deepEqual(await settledInReceipt(market.clientHome, job), ['rejected', '0']);
  assert.ok((await market.balance()) > before);
});
