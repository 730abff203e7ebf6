/**
 * `npm run demo [-- [--model FILE] "question"]`: a whole market on this machine. A chain, a provider, a router and a
 * client run as separate processes; the nodes find each other by Kademlia from one address on 127.0.0.1. The client
 * asks, the router pays and checks every token. Then a client chats with the provider, paid from a channel. A provider
 * that secretly runs a worse model takes its place and gets the first question: it is caught and earns nothing. In the
 * third act (referees.ts) a client without the model asks. Only the download of the model uses the network, once.
 */
import { randomBytes } from 'node:crypto';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { resolveConfig } from '../src/config.ts';
import { messageOf } from '../src/errors.ts';
import { acquireLock } from '../src/lib/lock.ts';
import { loadIdentity } from '../src/node/home/identity.ts';
import { createReceiptStore } from '../src/node/home/receipt-store.ts';
import { decodeVerdict } from '../src/protocol/validate.ts';
import { plural } from '../src/terminal/format.ts';
import { type ChainRecord, type RecordSource, readRecord, recordLine, settledRecord } from './chain-record.ts';
import {
  type ChainReady,
  createProcesses,
  type NodeReady,
  type Processes,
  type RunInit,
  type Started,
} from './processes.ts';
import { type RefereeAct, refereeRound } from './referees.ts';
import { billLine, chat, chatHome, chatTurns, openPurse } from './session.ts';
import { worseModel } from './worse-model.ts';

const defaultQuestion = 'Tell a short story about a lighthouse keeper.';
const smallModel = 'smollm2-135m';
/** The faults by which the cheating provider may be caught. */
const cheatFaults = ['exact-mismatch', 'sampler-mismatch', 'draws-far', 'distribution-far'];

const qvac = fileURLToPath(new URL('../main.js', import.meta.url));
const cheat = fileURLToPath(new URL('./cheat.js', import.meta.url));

/** The price of an answer, and of 1,000 tokens of prompt and of answer; what the router spends for the client in 24 h. */
const prices = { job: '0.00001sol', in: '0.0001sol', out: '0.0004sol' };
const dailyLimit = '0.1sol';
const maxPrice = '0.001sol';

interface Stage {
  readonly processes: Processes;
  readonly signal: AbortSignal;
  /** The person's QVAC_HOME, which keeps the receipts. */
  readonly home: string;
  readonly receipts: string;
  /** Flags that keep every process on this machine and in this market. */
  readonly market: readonly string[];
  readonly model: DemoModel;
  /** JSON-RPC endpoint of the market's chain. */
  readonly rpcUrl: string;
  /** Folders to remove at the end. */
  readonly leftovers: string[];
}

interface Answered {
  readonly exitCode: number;
  readonly receipt: string;
  readonly result: string;
  readonly tier: string;
  readonly faults: readonly string[];
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

function heading(text: string): void {
  say(`\n── ${text} ${'─'.repeat(Math.max(3, 76 - text.length))}`);
}

interface DemoModel {
  /** SHA-256 in hex. */
  readonly id: string;
  readonly name: string;
  readonly quant: string;
  readonly path: string;
}

/** The given model file, else the small one, downloaded if it is not here. */
async function findModel(processes: Processes, given: string | undefined, init: RunInit): Promise<DemoModel> {
  const args =
    given === undefined ? ['models', 'pull', smallModel, '--json'] : ['models', 'show', resolve(given), '--json'];
  const { code, stdout } = await processes.capture(qvac, args, init);
  if (code !== 0) throw new Error('no model to run; see the lines above');
  const model = JSON.parse(stdout) as DemoModel;
  say(`${model.name}  ${model.path}`);
  return model;
}

/** Starts a `serve` or `route` of this market on 127.0.0.1, with its own home. */
function startNode(
  { processes, home, signal, market, model, rpcUrl }: Stage,
  role: 'serve' | 'route',
  args: readonly string[],
  until?: string,
  own = join(home, 'demo', role),
): Promise<Started<NodeReady>> {
  const flags = [
    role,
    '--json',
    ...market,
    '--rpc',
    rpcUrl,
    '--listen',
    '/ip4/127.0.0.1/tcp/0',
    '--model',
    model.path,
    ...args,
  ];
  return processes.start(qvac, flags, { home: own, signal }, until);
}

/**
 * Creates and funds a wallet for the node of `home`, and registers the node to be paid if it `serves`. Ignores failures:
 * an earlier demo may have done each.
 */
async function openAccount({ processes, signal, market, rpcUrl }: Stage, home: string, serves: boolean): Promise<void> {
  const chain = ['--rpc', rpcUrl, '--json'];
  const registered =
    serves && (await processes.quietly(qvac, ['provider', 'status', ...market, ...chain], { home, signal })).code === 0;
  const steps = [
    ['wallet', 'new', '--json'],
    ['wallet', 'fund', ...market, ...chain],
    ...(serves && !registered ? [['provider', 'register', '--stake', '1sol', ...market, ...chain]] : []),
  ];
  for (const step of steps) await processes.quietly(qvac, step, { home, signal });
}

/** Where the chain's record of the provider of `home` is read. */
function recordOf({ processes, signal, market, rpcUrl }: Stage, home: string): RecordSource {
  return { processes, signal, qvac, home, flags: [...market, '--rpc', rpcUrl] };
}

/** Asks one question through the router, on the person's terminal. */
async function ask(
  { processes, home, receipts, signal, market, model }: Stage,
  router: NodeReady,
  question: string,
): Promise<Answered> {
  say(
    [
      `$ qvac ask --router ${router.peer.slice(0, 8)}… --model ${model.name} --verify full --max-price ${maxPrice}`,
      `${JSON.stringify(question)}\n`,
    ].join(' '),
  );
  const store = createReceiptStore(receipts);
  const before = new Set((await store.list()).map(({ id }) => id));
  const args = [
    ...market,
    '--bootstrap',
    router.addrs[0] ?? '',
    '--router',
    router.addrs[0] ?? '',
    '--model',
    model.name,
    '--verify',
    'full',
    '--max-price',
    maxPrice,
    '--yes',
    '--max-tokens',
    '128',
  ];
  const exitCode = await processes.show(qvac, ['ask', ...args, question], { home, signal });
  const fresh = (await store.list()).find(({ id }) => !before.has(id));
  if (fresh === undefined) throw new Error(`qvac ask exited with code ${exitCode} and left no receipt`);
  const signed = (await store.get(fresh.id)).receipt.verdicts[0];
  if (signed === undefined) throw new Error('the receipt has no verdict');
  const { result, tier, faults } = decodeVerdict(signed.body);
  return { exitCode, receipt: fresh.id, result, tier, faults };
}

/** The honest provider and its answer. @throws Error if the answer was not verified */
async function honestRound(stage: Stage, router: NodeReady, question: string): Promise<string> {
  heading('an honest provider');
  say('testing whether this machine computes the same bits each time …');
  const home = join(stage.home, 'demo', 'serve');
  await openAccount(stage, home, true);
  const terms = ['--price-job', prices.job, '--price-in', prices.in, '--price-out', prices.out];
  // One slot, as the router has: their classes are equal, so the router need not test the provider's first.
  const flags = [...terms, '--slots', '1', '--bootstrap', router.addrs[0] ?? ''];
  const provider = await startNode(stage, 'serve', flags, 'self-test');
  say(`provider  ${provider.peer}`);
  const chain = recordOf(stage, home);
  const before = await readRecord(chain);
  const purse = await openPurse(stageTools(stage), stage.rpcUrl, [join(stage.home, 'demo', 'route'), home]);
  const held = await purse();
  const answered = await ask(stage, router, question);
  const record = await settledRecord(chain, before);
  say(recordLine(record));
  say(billLine('job', '1 answer', record.earned - before.earned, held - (await purse())));
  await session(stage, provider, chain, record);
  await provider.stop();
  if (answered.exitCode !== 0 || answered.result !== 'pass')
    throw new Error(`the honest answer was not verified: ${answered.result} ${answered.faults.join(', ')}`);
  if (record.paid !== before.paid + 1) throw new Error('the honest provider was not paid');
  return answered.receipt;
}

/** A short chat with the same provider, paid from a channel. */
async function session(stage: Stage, provider: NodeReady, source: RecordSource, before: ChainRecord): Promise<void> {
  heading('a chat, paid from a channel');
  const home = chatHome(stage.home);
  await openAccount(stage, home, false);
  const purse = await openPurse(stageTools(stage), stage.rpcUrl, [home, source.home]);
  const held = await purse();
  const { model, rpcUrl } = stage;
  const record = await chat({ source, provider, model: model.name, maxPrice, rpcUrl, home, say });
  const earned = record.earned - before.earned;
  say(billLine('channel', plural(chatTurns, 'answer'), earned, held - (await purse())));
}

function stageTools({ processes, signal }: Stage) {
  return { processes, qvac, signal };
}

/** The cheating provider: the same card, another model. @throws Error if it was not caught */
async function cheatingRound(stage: Stage, router: NodeReady, question: string): Promise<string> {
  heading('a provider that secretly runs a worse model');
  // A new identity each time: the router remembers a provider that it caught, and does not choose it again.
  const home = await mkdtemp(join(stage.home, 'demo', 'cheat-'));
  stage.leftovers.push(home);
  await openAccount(stage, home, true);
  const settings = await cheatSettings(stage, router, home, prices);
  const provider = await stage.processes.start(cheat, [JSON.stringify(settings)], { home, signal: stage.signal });
  say(`provider  ${provider.peer}  (its card claims the same model, class and prices)`);
  const chain = recordOf(stage, home);
  const before = await readRecord(chain);
  const answered = await ask(stage, router, question);
  const record = await settledRecord(chain, before);
  say(recordLine(record));
  await provider.stop();
  if (record.paid > 0) throw new Error('the cheating provider was paid');
  if (answered.exitCode !== 6 || !answered.faults.some((fault) => cheatFaults.includes(fault))) {
    const verdict = `${answered.result} ${answered.faults.join(', ')}`;
    throw new Error(`the cheating provider was not caught: exit code ${answered.exitCode}, ${verdict}`);
  }
  return answered.receipt;
}

/** The homes of earlier acts, whose self-tests need not be made again. */
async function withSelfTest(stage: Stage, from: string, home: string): Promise<void> {
  const folder = join('cache', 'self-test');
  await cp(join(stage.home, 'demo', from, folder), join(home, folder), { recursive: true }).catch(() => undefined);
}

function refereeAct(stage: Stage, router: NodeReady): RefereeAct {
  const { processes, signal, market, model, leftovers } = stage;
  const bootstrap = router.addrs[0] ?? '';
  return {
    folder: join(stage.home, 'demo'),
    leftovers,
    say,
    heading,
    async startProvider(home) {
      await withSelfTest(stage, 'serve', home);
      return startNode(stage, 'serve', ['--free', '--slots', '1', '--bootstrap', bootstrap], 'self-test', home);
    },
    async startCheat(home) {
      const settings = await cheatSettings(stage, router, home, null);
      return processes.start(cheat, [JSON.stringify(settings)], { home, signal });
    },
    ask: (home, args) =>
      processes.show(qvac, ['ask', ...market, '--model', model.name, '--max-tokens', '64', ...args], { home, signal }),
  };
}

/** @param charged null: it charges nothing */
async function cheatSettings(stage: Stage, router: NodeReady, home: string, charged: typeof prices | null) {
  return {
    home,
    network: stage.market[1],
    bootstrap: router.addrs[0],
    rpcUrl: stage.rpcUrl,
    prices: charged,
    claimedModel: stage.model.path,
    claimedName: stage.model.name,
    secretModel: await worseModel(stage.model, join(stage.home, 'demo')),
  };
}

interface DemoInit extends Pick<Stage, 'processes' | 'signal' | 'leftovers'> {
  readonly question: string;
  /** QVAC_HOME. */
  readonly root: string | undefined;
  /** A GGUF file to use. */
  readonly given: string | undefined;
}

/**
 * Removes the chain of an earlier demo, with the homes that have money on it: its clock was put ahead, so that it takes
 * every new offer for expired.
 * @returns the file that keeps another demo from doing the same to this one
 * @throws QvacError E_LOCKED if a demo runs in this home
 */
async function clearMarket(folder: string): Promise<string> {
  const lock = join(folder, 'lock');
  await acquireLock(lock, 'the demo');
  for (const role of ['chain', 'serve', 'route', 'chat'])
    await rm(join(folder, role), { recursive: true, force: true });
  return lock;
}

async function demo({ question, root, given, leftovers, processes, signal }: DemoInit): Promise<void> {
  const { home } = await resolveConfig({ home: root });
  heading('the model');
  const model = await findModel(processes, given, { home: home.root, signal });
  const market = ['--private', `demo-${randomBytes(4).toString('hex')}`, '--no-mdns'];
  const client = await loadIdentity(home.keys.client);

  heading('a market on 127.0.0.1');
  leftovers.push(await clearMarket(join(home.root, 'demo')));
  const { rpcUrl } = await processes.start<ChainReady>(qvac, ['chain', '--json'], {
    home: join(home.root, 'demo', 'chain'),
    signal,
  });
  say(`chain     ${rpcUrl}  (play money)`);
  const stage: Stage = {
    processes,
    signal,
    home: home.root,
    receipts: home.receipts,
    market,
    model,
    rpcUrl,
    leftovers,
  };
  await openAccount(stage, join(home.root, 'demo', 'route'), false);
  const router = await startNode(stage, 'route', ['--allow', `${client.peer}=${dailyLimit}`]);
  say(`router    ${router.peer}`);
  say(`client    ${client.peer}`);
  const honest = await honestRound(stage, router, question);
  const cheating = await cheatingRound(stage, router, question);
  await refereeRound(refereeAct(stage, router), question);

  heading('what happened');
  say('The router acknowledged both answers as they arrived: that is what a provider can be paid for.');
  say('It recomputed the first answer token by token, found the same, and paid the provider.');
  say('The chat was paid from one deposit: two transactions for the whole of it, none for an answer.');
  say('The cheat’s answer failed: the router named its provider and burnt the price instead of paying it.');
  say('It will not choose that provider again.');
  say('The last client held no model: a referee recomputed its first answer, and three agreed on who cheated it.');
  say('Anyone with the model file can check both receipts offline:');
  for (const receipt of [honest, cheating])
    say(`  bin/qvac.mjs verify ${receipt.slice(0, 16)} --model ${given ?? model.name}`);
}

const stopping = new AbortController();
const processes = createProcesses();
const leftovers: string[] = [];
let interrupted: 'SIGINT' | 'SIGTERM' | null = null;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (interrupted !== null) process.exit(signal === 'SIGINT' ? 130 : 143);
    interrupted = signal;
    say('\nstopping … (Ctrl-C again leaves at once)');
    stopping.abort();
  });
}

function readArguments() {
  try {
    return parseArgs({ options: { home: { type: 'string' }, model: { type: 'string' } }, allowPositionals: true });
  } catch (error) {
    say(`demo: ${messageOf(error)}\n  type: npm run demo -- [--model FILE] "question"`);
    return process.exit(2);
  }
}

const { values, positionals } = readArguments();
let exitCode = 0;
try {
  await demo({
    question: positionals.join(' ').trim() || defaultQuestion,
    root: values.home,
    given: values.model,
    leftovers,
    processes,
    signal: stopping.signal,
  });
} catch (error) {
  exitCode = 1;
  if (interrupted === null) say(`demo: ${messageOf(error)}`);
}
await processes.stopAll();
for (const folder of leftovers) await rm(folder, { recursive: true, force: true });
process.exit(interrupted === 'SIGINT' ? 130 : interrupted === 'SIGTERM' ? 143 : exitCode);
