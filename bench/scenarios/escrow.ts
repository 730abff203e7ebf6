import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Delivery, Escrow, JobAccount, JobTerms } from '../../src/escrow/escrow.ts';
import { startLocalnet } from '../../src/escrow/localnet.ts';
import { openEscrow } from '../../src/escrow/program.ts';
import { signingKeyFromSeed } from '../../src/proofs/signing.ts';
import { ready } from '../../test/escrow/ready.ts';
import { delivered, SOL, World } from '../../test/escrow/world.ts';
import { type Figure, median, rounded, type Scenario, spread } from '../report.ts';
import { chargedTo } from '../support/chain-history.ts';
import { coldFirstTokenMs, type PaidMarket, withPaidMarket } from '../support/paid-market.ts';

const jobs = 60;
const atOnce = 8;
const warmUp = 10;
const rounds = 40;
const processes = 9;
const clusterRounds = 15;
/** About what a cluster takes. */
const confirmMs = 600;

const newKey = () => signingKeyFromSeed(randomBytes(32));
const { cancelN: _none, ...fields } = delivered;
const delivery: Delivery = { ...fields, cancel: null };

/** What each instruction takes of the network, in the state in which the tests find it to succeed. */
async function costs(): Promise<readonly Figure[]> {
  const figures: Figure[] = [];
  for (const [name, prepare] of Object.entries(ready)) {
    const { world, instruction, first, signers } = await prepare(new World());
    const { units, bytes } = world.send([...first, instruction], [world.wallet(), ...signers]);
    figures.push({
      name: `escrow: compute units of ${name}`,
      value: units,
      unit: '',
      goal: { atMost: 60_000 },
      details: { transactionBytes: bytes },
    });
  }
  return figures;
}

interface Market {
  readonly seller: Escrow;
  readonly buyer: Escrow;
  newTerms(): JobTerms;
}

async function openMarket(rpcUrl: string): Promise<Market> {
  const [seller, buyer] = (await Promise.all(
    [newKey(), newKey()].map((wallet) => openEscrow({ rpcUrl, wallet, pollMs: 20 })),
  )) as [Escrow, Escrow];
  await Promise.all([seller, buyer].map((escrow) => escrow.airdrop(1_000n * SOL)));
  const [node, clientNode] = [newKey(), newKey()];
  await seller.register({ node, stake: 100n * SOL });
  const newTerms = (): JobTerms => ({
    jobId: new Uint8Array(randomBytes(32)),
    peer: node.publicKey,
    clientPeer: clientNode.publicKey,
    priceIn: 1_500n,
    priceOut: 4_001n,
    amount: 1_000_000n,
    seed: new Uint8Array(randomBytes(32)),
    sampler: { temperature: 70, minP: 0, topK: 20, vocab: 300 },
    maxTokens: 64,
  });
  return { seller, buyer, newTerms };
}

/** One paid answer on the chain alone, through the chain's own door. */
async function pay({ seller, buyer, newTerms }: Market): Promise<void> {
  const terms = newTerms();
  await buyer.createJob({ authority: seller.wallet as Uint8Array, terms });
  const job = (await seller.job(seller.jobAddress(buyer.wallet as Uint8Array, terms.jobId))) as JobAccount;
  await seller.submitJob(job, delivery);
  await buyer.confirmJob(job);
}

/** How many the embedded chain settles. */
async function throughput(): Promise<Figure> {
  const dir = await mkdtemp(join(tmpdir(), 'qvac-bench-chain-'));
  const chain = await startLocalnet({ dir });
  try {
    const market = await openMarket(chain.rpcUrl);
    await pay(market);
    const start = performance.now();
    let left = jobs;
    await Promise.all(
      Array.from({ length: atOnce }, async () => {
        while (left-- > 0) await pay(market);
      }),
    );
    return {
      name: 'escrow: embedded chain, paid jobs per second',
      value: rounded((jobs * 1_000) / (performance.now() - start)),
      unit: '/s',
      goal: null,
      details: { jobs, atOnce },
    };
  } finally {
    await chain.stop();
    await rm(dir, { recursive: true, force: true });
  }
}

/** What the chain itself was sent, and took, for `answers` paid answers. */
async function charges(
  { rpcUrl, wallets }: PaidMarket,
  answers: number,
  before: ReadonlySet<string>,
): Promise<readonly Figure[]> {
  const [client, provider] = wallets;
  const charged = (await chargedTo(rpcUrl, wallets)).filter(({ signature }) => !before.has(signature));
  const perAnswer = (matches: (each: (typeof charged)[number]) => boolean, what: 'fee' | 'one'): number =>
    rounded(charged.filter(matches).reduce((sum, { fee }) => sum + (what === 'fee' ? fee : 1), 0) / answers);
  const does = (name: string): number => perAnswer(({ does }) => does.includes(name), 'one');
  return [
    {
      name: 'escrow: transactions of a paid answer',
      value: perAnswer(() => true, 'one'),
      unit: '',
      goal: { atMost: 3 },
      details: {
        answers,
        createLocksTheMoney: does('JobCreate'),
        submitStoresTheHead: does('JobSubmit'),
        confirmPays: does('JobConfirm'),
      },
    },
    {
      name: 'escrow: fees of a paid answer',
      value: perAnswer(() => true, 'fee'),
      unit: 'lamports',
      goal: null,
      details: {
        answers,
        byClient: perAnswer(({ payer }) => payer === client, 'fee'),
        byProvider: perAnswer(({ payer }) => payer === provider, 'fee'),
      },
    },
  ];
}

/** Paid and free answers in turns, real nodes and the chain in processes of their own. */
async function endToEnd(): Promise<readonly Figure[]> {
  return withPaidMarket({}, async (market) => {
    for (let i = 0; i < warmUp; i++) for (const who of ['free', 'paid'] as const) await market.ask(who);
    const before = new Set((await chargedTo(market.rpcUrl, market.wallets)).map(({ signature }) => signature));
    const [added, free, settled]: [number[], number[], number[]] = [[], [], []];
    for (let round = 0; round < rounds; round++) {
      const own = await market.ask('free');
      const paid = await market.ask('paid');
      if (paid.answer.payment?.state !== 'confirmed')
        throw new Error(`an answer was ${String(paid.answer.payment?.state)}, not paid`);
      added.push(paid.firstTokenMs - own.firstTokenMs);
      free.push(own.firstTokenMs);
      settled.push(paid.settledMs);
    }
    const figures = await charges(market, rounds, before);
    const cold: number[] = [];
    for (let process = -1; process < processes; process++) {
      const [own, paid] = [await coldFirstTokenMs(market, 'free'), await coldFirstTokenMs(market, 'paid')];
      if (process >= 0) cold.push(paid - own);
    }
    return [
      ...figures,
      {
        name: 'escrow: added to the first token of a paid answer',
        value: rounded(median(added)),
        unit: 'ms',
        goal: { atMost: 250 },
        details: { rounds, ...spread('addedMs', added), ...spread('freeMs', free) },
      },
      {
        name: 'escrow: … with a process for each question',
        value: rounded(median(cold)),
        unit: 'ms',
        goal: { atMost: 250 },
        details: { processes, ...spread('addedMs', cold) },
      },
      {
        name: 'escrow: from final head to money',
        value: rounded(median(settled)),
        unit: 'ms',
        goal: { atMost: 1_000 },
        details: { rounds, ...spread('ms', settled) },
      },
    ];
  });
}

/**
 * As on a cluster, where a transaction is confirmed after a while: how much more than that one confirmation is added.
 */
async function onCluster(): Promise<Figure> {
  return withPaidMarket({ confirmMs }, async (market) => {
    const beyond: number[] = [];
    for (let round = -2; round < clusterRounds; round++) {
      const own = await market.ask('free');
      const paid = await market.ask('paid');
      if (round >= 0) beyond.push(paid.firstTokenMs - own.firstTokenMs - confirmMs);
    }
    return {
      name: 'escrow: … beyond the one confirmation, on a cluster',
      value: rounded(median(beyond)),
      unit: 'ms',
      goal: { atMost: 250 },
      details: { rounds: clusterRounds, confirmMs, ...spread('beyondMs', beyond) },
    };
  });
}

export const scenario: Scenario = async () => [
  ...(await costs()),
  ...(await endToEnd()),
  await onCluster(),
  await throughput(),
];
