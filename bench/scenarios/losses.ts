import { escrowRules } from '../../src/escrow/constants.ts';
import type { Figure, Scenario } from '../report.ts';
import { type Balance, balanceOf, challengedSteps, delivered, priceOf, quoted } from '../support/job-balance.ts';
import { type Served, withLeavingClient } from '../support/leaving-client.ts';

// The greatest loss that each side of one job can cause the other (docs/ESCROW.md, "What each can lose").

/** The last acknowledgements that reach the provider: of the first token, at heads, and near the end of the answer. */
const lastAcks = [1, 32, 64, 160] as const;

function unpaidFigure(name: string, served: readonly Served[], atMost: number): Figure {
  const paid = served.map(({ submitted }) => submitted?.paidCount ?? 0);
  const sent = served.map(({ submitted, received }) => Math.max(submitted?.tokenCount ?? 0, received));
  return {
    name: `losses: provider, ${name}`,
    value: Math.max(...sent.map((n, at) => n - (paid[at] ?? 0))),
    unit: 'tokens',
    goal: { atMost },
    details: {
      jobs: served.length,
      sent: sent.join(' '),
      paid: paid.join(' '),
      stepsComputed: served.map(({ steps }) => steps).join(' '),
      payoutLamports: served.map(({ submitted }) => submitted?.payout ?? 0n).join(' '),
      grace: served[0]?.offer.terms.grace ?? null,
    },
  };
}

/** Tokens that real nodes send and are not paid for. */
function providerFigures(): Promise<readonly Figure[]> {
  return withLeavingClient(async (ask) => {
    const served: Served[] = [];
    for (const lastAck of lastAcks) served.push(await ask({ lastAck }));
    return [
      unpaidFigure('client gone before any acknowledgement', [await ask({ lastAck: null })], 0),
      unpaidFigure('client gone after that of the accept', [await ask({ lastAck: 0 })], 1),
      unpaidFigure('client gone after that of k tokens', served, 0),
      unpaidFigure('client silent until the provider breaks off', [await ask({ lastAck: 32, stays: true })], 0),
    ];
  });
}

function lossFigure(side: 'client' | 'provider', name: string, loss: Balance, atMost: bigint): Figure {
  return {
    name: `losses: ${side}, ${name}`,
    value: Number(loss[side]),
    unit: 'lamports',
    goal: { atMost: Number(atMost) },
    details: {
      clientLamports: Number(loss.client),
      providerLamports: Number(loss.provider),
      feeLamports: Number(loss.fee),
    },
  };
}

/** What each side loses by `one` rather than by `other`. */
function difference(one: Balance, other: Balance): Balance {
  return { client: one.client - other.client, provider: one.provider - other.provider, fee: one.fee };
}

/** Lamports that the program lets one side take from the other, against the price of what was delivered. */
async function programFigures(): Promise<readonly Figure[]> {
  const paid = await balanceOf(async (job) => {
    await job.submit();
    await job.confirm();
  });
  const rejected = await balanceOf(async (job) => {
    await job.submit();
    await job.reject();
  });
  const inflated = await balanceOf(async (job) => {
    await job.submit({ n: quoted.maxTokens, promptCount: quoted.promptTokens });
    await job.confirm();
  });
  const brokenOff = await balanceOf(async (job) => {
    await job.submit({ n: 0, promptCount: quoted.promptTokens, finish: 3 }, 0);
    await job.confirm();
  });
  const vanished = await balanceOf((job) => job.refund());
  const silent = await balanceOf(async (job) => (await job.challenge()).slash());
  const opened = await balanceOf(async (job) => {
    await (await job.challenge()).open();
    await job.confirm();
  });
  const price = priceOf(delivered.promptTokens, delivered.tokens);
  const mostClaimed = priceOf(quoted.promptTokens, delivered.tokens + quoted.grace);
  const challengedPrice = priceOf(delivered.promptTokens, challengedSteps);
  const bonds = BigInt(challengedSteps) * escrowRules.bondLamports;
  return [
    lossFigure('client', 'answer confirmed', paid, price),
    lossFigure('client', 'wrong answer rejected', rejected, price),
    lossFigure('client', 'provider claims the whole answer', inflated, mostClaimed),
    lossFigure('client', 'provider breaks off after the accept', brokenOff, priceOf(quoted.promptTokens, 0)),
    lossFigure('client', 'provider vanishes', vanished, 0n),
    lossFigure('client', 'provider opens on the chain alone', opened, challengedPrice + bonds),
    lossFigure('client', 'provider opens nothing', silent, -challengedPrice),
    lossFigure('provider', 'right answer rejected', difference(rejected, paid), price),
    lossFigure('provider', 'offline while challenged', silent, escrowRules.slashMultiple * challengedPrice),
  ];
}

export const scenario: Scenario = async () => [...(await providerFigures()), ...(await programFigures())];
