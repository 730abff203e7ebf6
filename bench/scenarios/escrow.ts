import { randomBytes, randomInt } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import type { ChannelAccount, JobAccount } from '../../src/escrow/accounts.ts';
import { startLocalnet } from '../../src/escrow/localnet.ts';
import { openEscrow } from '../../src/escrow/program.ts';
import { type SigningKey, signingKeyFromSeed } from '../../src/proofs/signing.ts';
import { sequences } from '../../test/escrow/actions.ts';
import { encodeOffer, encodeTerms } from '../../test/escrow/layouts.ts';
import { Market } from '../../test/escrow/market.ts';
import { readyInstructions } from '../../test/escrow/ready.ts';
import {
  channelIdOf,
  type Funded,
  jobIdOf,
  offerBetween,
  type Parties,
  SOL,
  signedTerms,
  submission,
  termsBetween,
  totals,
  World,
} from '../../test/escrow/world.ts';
import { type Figure, rounded, type Scenario } from '../report.ts';

const jobs = 60;
const atOnce = 8;
const runs = Number(process.env.QVAC_BENCH_SEQUENCES ?? 10_000);
/** Calls, and lives of jobs and channels, in a sequence. */
const length = { minLength: 6, maxLength: 12 };
/** Sequences on one chain, before the next one starts with a new one. */
const runsOfWorld = 250;

const newKey = (): SigningKey => signingKeyFromSeed(randomBytes(32));

/** What each instruction takes of the network, in the state in which the tests find it to succeed. */
async function costs(): Promise<readonly Figure[]> {
  const figures: Figure[] = [];
  for (const { title, prepare } of readyInstructions) {
    const { world, instruction, first, signers } = await prepare(new World());
    const { units, bytes } = await world.send([...first, instruction], [world.wallet(), ...signers]);
    figures.push({
      name: `escrow: compute units of ${title}`,
      value: units,
      unit: '',
      goal: { atMost: 60_000 },
      details: { transactionBytes: bytes },
    });
  }
  return figures;
}

/** Random sequences of calls, by honest people, greedy ones and thieves: after each call every lamport is looked for. */
async function conservation(): Promise<Figure> {
  const seed = randomInt(2 ** 31);
  const done = new Map<string, number>();
  let [world, calls, run] = [new World({ signs: false }), 0, 0];
  const property = fc.asyncProperty(sequences(length), async (actions) => {
    if (run++ % runsOfWorld === 0) world = new World({ signs: false });
    const market = new Market(world);
    await market.open();
    for (const action of actions) await market.run(action);
    calls += actions.length;
    for (const [name, count] of market.done) done.set(name, (done.get(name) ?? 0) + count);
  });
  // Ends with what failed, and the seed to have it again.
  await fc.assert(property, { seed, numRuns: runs, endOnFailure: true });
  return {
    name: 'escrow: random sequences without a lamport astray',
    value: runs,
    unit: '',
    goal: { atLeast: 10_000 },
    details: { seed, calls, ...Object.fromEntries([...done].map(([name, count]) => [`executed ${name}`, count])) },
  };
}

interface People {
  readonly seller: Funded;
  readonly buyer: Funded;
  readonly node: SigningKey;
  readonly clientNode: SigningKey;
  parties(): Promise<Parties>;
}

async function openPeople(rpcUrl: string): Promise<People> {
  const [seller, buyer] = (await Promise.all(
    [newKey(), newKey()].map((wallet) => openEscrow({ rpcUrl, wallet, pollMs: 20 })),
  )) as [Funded, Funded];
  await Promise.all([seller, buyer].map((escrow) => escrow.airdrop(1_000n * SOL)));
  const [node, clientNode] = [newKey(), newKey()];
  await seller.register({ node, stake: 100n * SOL });
  return {
    seller,
    buyer,
    node,
    clientNode,
    parties: async () => ({
      payer: buyer.wallet,
      authority: seller.wallet,
      provider: node.publicKey,
      client: clientNode.publicKey,
      now: BigInt((await buyer.now()) / 1_000),
    }),
  };
}

/** One paid answer on the chain alone, through the chain's own door. */
async function payOne({ seller, buyer, clientNode, parties }: People): Promise<void> {
  const offer = encodeOffer(offerBetween(await parties()));
  const jobId = jobIdOf(offer);
  await buyer.createJob({ authority: seller.wallet, offer });
  const job = (await seller.job(seller.jobAddress(buyer.wallet, jobId))) as JobAccount;
  const [head, ack] = submission({ jobId, buyer: { node: clientNode } });
  await seller.submitJob(job, { head, ack });
  await buyer.confirmJob(job);
}

/** What a session costs both sides, opened and closed: as many answers as they like between. */
async function sessionFees({ seller, buyer, node, clientNode, parties }: People): Promise<bigint> {
  const terms = signedTerms(node, encodeTerms(termsBetween(await parties(), { validUntil: (await parties()).now })));
  const opened = await buyer.openChannel(terms);
  const channel = (await seller.channel(seller.channelAddress(channelIdOf(terms.body)))) as ChannelAccount;
  while ((await seller.now()) <= channel.validUntil) await new Promise((resolve) => setTimeout(resolve, 100));
  const last = totals({ buyer: { node: clientNode }, key: channel }, 900n, 900n, { stop: 2 });
  const closed = await seller.closeChannel(channel, last);
  return opened.fee + closed.fee;
}

/** How many jobs the embedded chain takes, and what a session costs. */
async function embedded(): Promise<readonly Figure[]> {
  const dir = await mkdtemp(join(tmpdir(), 'qvac-bench-chain-'));
  const chain = await startLocalnet({ dir });
  try {
    const people = await openPeople(chain.rpcUrl);
    await payOne(people);
    const start = performance.now();
    let left = jobs;
    await Promise.all(
      Array.from({ length: atOnce }, async () => {
        while (left-- > 0) await payOne(people);
      }),
    );
    const perSecond = rounded((jobs * 1_000) / (performance.now() - start));
    return [
      {
        name: 'escrow: embedded chain, paid jobs per second',
        value: perSecond,
        unit: '/s',
        goal: null,
        details: { jobs, atOnce },
      },
      {
        name: 'escrow: fees of a session in a channel, both sides',
        value: Number(await sessionFees(people)),
        unit: 'lamports',
        goal: { atMost: 25_000 },
        details: { transactions: 2 },
      },
    ];
  } finally {
    await chain.stop();
    await rm(dir, { recursive: true, force: true });
  }
}

export const scenario: Scenario = async () => [...(await costs()), ...(await embedded()), await conservation()];
