import { faultWords } from '../protocol/fault-words.ts';
import type { FaultCode, Result, Tier } from '../protocol/messages.ts';
import { plural, rate, shortId, shortPeer, sol } from './format.ts';
import type { Style } from './output.ts';
import { moneySentence, type PaymentFacts, paymentWords } from './payment-words.ts';
import { printable, printableName } from './printable.ts';

/** The facts that accompany an answer. */
export interface TrustFacts {
  /** Tokens of the answer, the stop token included; or texts. */
  readonly tokens: number;
  /** What is counted: texts that were embedded. @default 'token' */
  readonly unit?: 'token' | 'text' | undefined;
  readonly tokensPerSecond: number | null;
  readonly provider: string;
  /** The providers that broke off before it, with the tokens that each wrote. @default none */
  readonly earlier?: readonly { readonly provider: string; readonly tokens: number }[] | undefined;
  /** The provider whose part failed a check. @default `provider` */
  readonly atFault?: string | null | undefined;
  readonly model: { readonly name: string; readonly quant: string };
  /** Lamports. */
  readonly cost: number | bigint;
  /** Null if no money was locked. @default null */
  readonly payment?: PaymentFacts | null | undefined;
  /** The provider was paid because the checks ended after the deadline for a rejection. @default false */
  readonly tooLate?: boolean | undefined;
  /** The router in between, which pays; null for a direct job. @default null */
  readonly router?: string | null | undefined;
  readonly verification: {
    readonly result: Result;
    readonly tier: Tier;
    /** Number of opened steps. */
    readonly count: number;
    readonly faults: readonly FaultCode[];
    /** Score jobs that the result rests on. @default none */
    readonly referees?: readonly unknown[] | undefined;
  };
  /** How many providers' answers agree; null if one was asked. @default null */
  readonly consensus?: { readonly agreed: number; readonly of: number } | null | undefined;
  /** Why the checks stopped at `sampling` or `text`, or were inconclusive, in a few words. */
  readonly why: string | null;
  /** The job id in hex; null if the answer broke off before its final head. */
  readonly receipt: string | null;
}

const marks = { pass: ['✓', 'green'], fail: ['✗', 'red'], inconclusive: ['?', 'yellow'] } as const satisfies Record<
  Result,
  readonly [string, Style]
>;

/**
 * The lines that end an answer. The last one is the trust line:
 * `✓ 182 tokens · 41 tok/s · 12D3Koo…xyzgxB · smollm2-135m q4_1 · verified exact 182/182 · receipt 9f3a…c1`.
 * It says *verified* only if a re-execution of the model agreed, and `by 2 referees` if other providers made it. Lines
 * before it explain a failed check and its payment.
 */
export function trustLines(facts: TrustFacts, style: (style: Style, text: string) => string): readonly string[] {
  const { verification } = facts;
  const [mark, colour] = marks[verification.result];
  const line = [
    `${style(colour, mark)} ${plural(facts.tokens, facts.unit ?? 'token')}`,
    ...(facts.tokensPerSecond === null ? [] : [`${rate(facts.tokensPerSecond)} tok/s`]),
    providersWords(facts),
    printableName(`${facts.model.name} ${facts.model.quant}`),
    ...costWords(facts),
    style(colour, checkedWords(facts)),
    ...(facts.consensus == null ? [] : [`${facts.consensus.agreed} of ${facts.consensus.of} answers agree`]),
    facts.receipt === null ? 'no receipt' : `receipt ${shortId(facts.receipt)}`,
  ].join(' · ');
  const atFault = facts.atFault ?? facts.provider;
  const faults = verification.result === 'fail' ? explainFaults(verification.faults, atFault) : [];
  return [...faults, ...moneyLines(facts), line];
}

/** `12D3Koo…a, then 12D3Koo…b after 71`. */
export function providersWords({ provider, earlier = [] }: Pick<TrustFacts, 'provider' | 'earlier'>): string {
  let after = 0;
  const words = [...earlier, { provider, tokens: 0 }].map((part) => {
    const name = shortPeer(part.provider);
    const word = after === 0 ? name : `then ${name} after ${after}`;
    after += part.tokens;
    return word;
  });
  return words.join(', ');
}

/** The payment, or the price if no payment is known and the answer did not fail. */
function costWords({ payment = null, cost, verification: { result } }: TrustFacts): readonly string[] {
  if (payment !== null) return [paymentWords(payment)];
  return BigInt(cost) === 0n || result === 'fail' ? [] : [sol(cost)];
}

function moneyLines({
  payment = null,
  tooLate = false,
  router = null,
  cost,
  verification: { result },
}: TrustFacts): readonly string[] {
  const failed = result === 'fail';
  if (payment !== null) return [moneySentence(payment, { failed, tooLate }) ?? []].flat();
  return failed && router !== null && BigInt(cost) > 0n
    ? [`your router pays ${sol(cost)} for this answer; if its own checks failed, too, that is burnt`]
    : [];
}

function checkedWords({ tokens, unit = 'token', verification, why }: TrustFacts): string {
  const { result, tier, count, faults, referees = [] } = verification;
  const by = referees.length === 0 ? '' : ` by ${plural(referees.length, 'referee')}`;
  if (result === 'fail') return `failed ${tier}${by}: ${faults.join(', ')}`;
  const reason = why === null ? '' : ` (${printable(why)})`;
  const recomputed = tier === 'exact' || tier === 'statistical';
  if (unit === 'text')
    return result === 'pass' ? `verified ${tier} ${count}/${tokens}${reason}` : `not checked, signed only${reason}`;
  if (result === 'pass' && recomputed) return `verified ${tier} ${tokens}/${tokens}${by}${reason}`;
  const inconclusive = result === 'pass' ? '' : ', inconclusive';
  return `checked: ${tier} ${recomputed ? tokens : count}/${tokens}${inconclusive}${reason}`;
}

/** For each fault: its code and provider, what the check shows, and what it does not show. */
export function explainFaults(faults: readonly FaultCode[], provider: string): readonly string[] {
  return faults.flatMap((fault) => [
    `check failed: ${fault} · provider ${printable(provider)}`,
    `  shown: ${faultWords[fault].shown}`,
    `  not shown: ${faultWords[fault].notShown}`,
  ]);
}
