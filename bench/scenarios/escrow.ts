import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Delivery, Escrow, JobAccount, JobTerms } from '../../src/escrow/escrow.ts';
import { startLocalnet } from '../../src/escrow/localnet.ts';
import { openEscrow } from '../../src/escrow/program.ts';
import { signingKeyFromSeed } from '../../src/proofs/signing.ts';
import { ready } from '../../test/escrow/ready.ts';
import { SOL, World, delivered } from '../../test/escrow/world.ts';
import { type Figure, median, rounded, type Scenario, spread } from '../report.ts';

const jobs = 60;
const atOnce = 8;

const newKey = () => signingKeyFromSeed(randomBytes(32));
const { cancelN: _none, ...fields } = delivered;
const delivery: Delivery = { ...fields, cancel: null };

/** What each instruction takes of the network, in the state in which the tests find it to succeed. */
async function costs(): Promise<readonly Figure[]> {
  const figures: Figure[] = [];
  for (const [name, prepare] of Object.entries(ready)) {
    const { world, instruction, first, signers } = await prepare(new World());
    const { units, bytes } = world.send([...first, instruction], [world.wallet(), ...signers]);
    figures.push({ name: `escrow: compute units of ${name}`, value: units, unit: '', goal: { atMost: 60_000 }, details: { transactionBytes: bytes } });
  }
  return figures;
}

interface Market {
  readonly seller: Escrow;
  readonly buyer: Escrow;
  newTerms(): JobTerms;
}

async function openMarket(rpcUrl: string): Promise<Market> {
  const [seller, buyer] = await Promise.all([newKey(), newKey()].map((wallet) => openEscrow({ rpcUrl, wallet, pollMs: 20 }))) as [Escrow, Escrow];
  await Promise.all([seller, buyer].map((escrow) => escrow.airdrop(1_000n * SOL)));
  const [node, clientNode] = [newKey(), newKey()];
  await seller.register({ node, stake: 100n * SOL });
  const newTerms = (): JobTerms => ({
    jobId: new Uint8Array(randomBytes(32)), peer: node.publicKey, clientPeer: clientNode.publicKey, priceIn: 1_500n, priceOut: 4_001n, amount: 1_000_000n,
    seed: new Uint8Array(randomBytes(32)), sampler: { temperature: 70, minP: 0, topK: 20, vocab: 300 }, maxTokens: 64,
  });
  return { seller, buyer, newTerms };
}

/** One paid answer on the chain: milliseconds until the provider sees the job, and from its head to its money. */
async function pay({ seller, buyer, newTerms }: Market) {
  const terms = newTerms();
  const address = seller.jobAddress(buyer.wallet as Uint8Array, terms.jobId);
  const start = performance.now();
  const created = await buyer.createJob({ authority: seller.wallet as Uint8Array, terms });
  const job = (await seller.job(address)) as JobAccount;
  const opened = performance.now();
  const submitted = await seller.submitJob(job, delivery);
  await buyer.job(address);
  const confirmed = await buyer.confirmJob(job);
  const paid = performance.now();
  return { openMs: opened - start, payMs: paid - opened, fees: [created, submitted, confirmed].reduce((sum, { fee }) => sum + Number(fee), 0) };
}

export const scenario: Scenario = async () => {
  const figures = [...(await costs())];
  const dir = await mkdtemp(join(tmpdir(), 'qvac-bench-chain-'));
  const chain = await startLocalnet({ dir });
  try {
    const market = await openMarket(chain.rpcUrl);
    await pay(market);
    const single = [];
    for (let i = 0; i < jobs / 3; i++) single.push(await pay(market));
    const start = performance.now();
    let left = jobs;
    await Promise.all(Array.from({ length: atOnce }, async () => {
      while (left-- > 0) await pay(market);
    }));
    const seconds = (performance.now() - start) / 1_000;
    const [opens, pays] = [single.map(({ openMs }) => openMs), single.map(({ payMs }) => payMs)];
    figures.push(
      { name: 'escrow: transactions of a paid answer', value: 3, unit: '', goal: { atMost: 3 }, details: { create: 'locks the money', submit: "stores the provider's head", confirm: 'pays' } },
      { name: 'escrow: fees of a paid answer', value: single[0]?.fees ?? 0, unit: 'lamports', goal: null, details: { byClient: 10_000, byProvider: 5_000 } },
      { name: 'escrow: embedded chain, until the provider sees the job', value: rounded(median(opens)), unit: 'ms', goal: { atMost: 250 }, details: { runs: opens.length, ...spread('ms', opens) } },
      { name: 'escrow: embedded chain, from final head to money', value: rounded(median(pays)), unit: 'ms', goal: { atMost: 1_000 }, details: { runs: pays.length, ...spread('ms', pays) } },
      { name: 'escrow: embedded chain, paid jobs per second', value: rounded(jobs / seconds), unit: '/s', goal: null, details: { jobs, atOnce } },
    );
  } finally {
    await chain.stop();
    await rm(dir, { recursive: true, force: true });
  }
  return figures;
};
