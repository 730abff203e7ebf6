import { type Figure, median, rounded, type Scenario, spread } from '../report.ts';
import { chargedTo } from '../support/chain-history.ts';
import { type PaidMarket, withPaidMarket } from '../support/paid-market.ts';

const warmUp = 5;
const rounds = 40;
/** A conversation. */
const answers = 50;
/** Questions of a burst. */
const burst = 200;
/** Answers that the provider writes at once, and questions under way in a burst. */
const atOnce = 8;

/** What the network took of both sides for a conversation and its channel, and in how many transactions. */
async function conversation(market: PaidMarket): Promise<{ readonly fees: number; readonly transactions: number }> {
  const before = new Set((await chargedTo(market.rpcUrl, market.wallets)).map(({ signature }) => signature));
  for (let i = 0; i < answers; i++) await market.ask('paid');
  await market.closeChannels();
  const charged = (await chargedTo(market.rpcUrl, market.wallets)).filter(({ signature }) => !before.has(signature));
  return { fees: charged.reduce((sum, { fee }) => sum + fee, 0), transactions: charged.length };
}

/** Time that payment adds to the first token, in turns with free answers. */
async function addedToFirstToken(market: PaidMarket): Promise<Figure> {
  for (let i = 0; i < warmUp; i++) for (const who of ['free', 'paid'] as const) await market.ask(who);
  const added: number[] = [];
  const [free, paid]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    const own = await market.ask('free');
    const theirs = await market.ask('paid');
    if (theirs.answer.payment?.channel == null) throw new Error('an answer was not paid from the channel');
    free.push(own.firstTokenMs);
    paid.push(theirs.firstTokenMs);
    added.push(theirs.firstTokenMs - own.firstTokenMs);
  }
  return {
    name: 'channel: added to the first token of an answer',
    value: rounded(median(added)),
    unit: 'ms',
    goal: { atMost: 5 },
    details: { rounds, ...spread('added', added), free: rounded(median(free)), paid: rounded(median(paid)) },
  };
}

/** Whole answers, checked and released, through one channel. @param askers ask one question after another each */
async function answersPerSecond(market: PaidMarket, askers: number): Promise<Figure> {
  let [left, byJob] = [burst, 0];
  const ask = async (): Promise<void> => {
    while (left-- > 0) if ((await market.ask('paid')).answer.payment?.channel == null) byJob++;
  };
  const cpu = process.cpuUsage();
  const start = performance.now();
  await Promise.all(Array.from({ length: askers }, ask));
  const seconds = (performance.now() - start) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  const clientCpuMs = rounded((user + system) / 1_000 / burst);
  return {
    name: `channel: answers through one channel, ${askers} at a time`,
    value: rounded(burst / seconds),
    unit: '1/s',
    goal: askers === 1 ? null : { atLeast: 200 },
    details: { burst, seconds: rounded(seconds), clientCpuMs, byJob },
  };
}

export const scenario: Scenario = async () => {
  const figures = await withPaidMarket({ pay: 'channel', slots: atOnce }, async (market) => {
    const firstToken = await addedToFirstToken(market);
    const speeds = [await answersPerSecond(market, 1), await answersPerSecond(market, atOnce)];
    return [firstToken, ...speeds];
  });
  const byChannel = await withPaidMarket({ pay: 'channel' }, conversation);
  const byJob = await withPaidMarket({}, conversation);
  return [
    ...figures,
    {
      name: `channel: fees of a conversation of ${answers} answers`,
      value: byChannel.fees,
      unit: 'lamports',
      goal: null,
      details: { byJobs: byJob.fees, transactions: byChannel.transactions, transactionsByJobs: byJob.transactions },
    },
  ];
};
