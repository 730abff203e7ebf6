import { type Figure, median, rounded, type Scenario, spread } from '../report.ts';
import { chargedTo } from '../support/chain-history.ts';
import { coldFirstToken, type PaidMarket, withPaidMarket } from '../support/paid-market.ts';

const warmUp = 10;
const rounds = 40;
const processes = 9;
const clusterRounds = 15;
/** About what a cluster takes. */
const confirmMs = 600;

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
      name: 'paid answer: transactions of a paid answer',
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
      name: 'paid answer: fees of a paid answer',
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
    const [cold, coldCpu]: [number[], number[]] = [[], []];
    for (let process = -1; process < processes; process++) {
      const [own, paid] = [await coldFirstToken(market, 'free'), await coldFirstToken(market, 'paid')];
      if (process < 0) continue;
      cold.push(paid.ms - own.ms);
      coldCpu.push(paid.cpuMs - own.cpuMs);
    }
    return [
      ...figures,
      {
        name: 'paid answer: added to the first token of a paid answer',
        value: rounded(median(added)),
        unit: 'ms',
        goal: { atMost: 250 },
        details: { rounds, ...spread('addedMs', added), ...spread('freeMs', free) },
      },
      {
        name: 'paid answer: … with a process for each question',
        value: rounded(median(cold)),
        unit: 'ms',
        goal: { atMost: 250 },
        details: { processes, ...spread('addedMs', cold), ...spread('addedCpuMs', coldCpu) },
      },
      {
        name: 'paid answer: from final head to money',
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
      name: 'paid answer: … beyond the one confirmation, on a cluster',
      value: rounded(median(beyond)),
      unit: 'ms',
      goal: { atMost: 250 },
      details: { rounds: clusterRounds, confirmMs, ...spread('beyondMs', beyond) },
    };
  });
}

export const scenario: Scenario = async () => [...(await endToEnd()), await onCluster()];
