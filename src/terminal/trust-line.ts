import { faultWords } from '../protocol/fault-words.ts';
import type { FaultCode, Result, Tier } from '../protocol/messages.ts';
import { plural, rate, shortId, shortPeer, sol } from './format.ts';
import type { Style } from './output.ts';
import { moneySentence, type PaymentFacts, paymentWords } from './payment-words.ts';
import { printable } from './printable.ts';

/** What one answer comes with. */
export interface TrustFacts {
  /** Tokens of the answer, the stop token included. */
  readonly tokens: number;
  readonly tokensPerSecond: number | null;
  readonly provider: string;
  readonly model: { readonly name: string; readonly quant: string };
  /** Lamports. */
  readonly cost: number | bigint;
  /** What became of the money that was locked; null where none was. @default null */
  readonly payment?: PaymentFacts | null | undefined;
  /** The money went to the provider because the checks came too late to hold it back. @default false */
  readonly tooLate?: boolean | undefined;
  /** The router in between, which pays; null where none was. @default null */
  readonly router?: string | null | undefined;
  readonly verification: {
    readonly result: Result;
    readonly tier: Tier;
    /** Steps opened. */
    readonly count: number;
    readonly faults: readonly FaultCode[];
  };
  /** Why the checks went no further than `sampling` or `text`, or what made them inconclusive: a few words. */
  readonly why: string | null;
  /** The jobId in hex; null where the answer broke off, so that there is none. */
  readonly receipt: string | null;
}

const marks = { pass: ['✓', 'green'], fail: ['✗', 'red'], inconclusive: ['?', 'yellow'] } as const satisfies Record<
  Result,
  readonly [string, Style]
>;

/**
 * The lines that end an answer; the last one is the trust line:
 * `✓ 182 tokens · 41 tok/s · 12D3Koo…gxB · smollm2-135m q4_1 · verified exact 182/182 · receipt 9f3a…c1`.
 * *verified* is written only where the model was re-executed and agreed. A failed check, and what becomes of the money
 * then, is explained before the line.
 */
export function trustLines(facts: TrustFacts, style: (style: Style, text: string) => string): readonly string[] {
  const { verification } = facts;
  const [mark, colour] = marks[verification.result];
  const line = [
    `${style(colour, mark)} ${plural(facts.tokens, 'token')}`,
    ...(facts.tokensPerSecond === null ? [] : [`${rate(facts.tokensPerSecond)} tok/s`]),
    shortPeer(facts.provider),
    printable(`${facts.model.name} ${facts.model.quant}`),
    ...costWords(facts),
    style(colour, checkedWords(facts)),
    facts.receipt === null ? 'no receipt' : `receipt ${shortId(facts.receipt)}`,
  ].join(' · ');
  const faults = verification.result === 'fail' ? explainFaults(verification.faults, facts.provider) : [];
  return [...faults, ...moneyLines(facts), line];
}

/** What was paid; where nobody knows that it was, the price only of an answer that somebody may have earned it with. */
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
    ? [`${sol(cost)} was your router’s to pay: nobody gets it where the router’s own checks failed, too`]
    : [];
}

function checkedWords({ tokens, verification: { result, tier, count, faults }, why }: TrustFacts): string {
  if (result === 'fail') return `failed ${tier}: ${faults.join(', ')}`;
  const reason = why === null ? '' : ` (${printable(why)})`;
  const recomputed = tier === 'exact' || tier === 'statistical';
  if (result === 'pass' && recomputed) return `verified ${tier} ${tokens}/${tokens}${reason}`;
  return `checked: ${tier} ${recomputed ? tokens : count}/${tokens}${result === 'pass' ? '' : ', inconclusive'}${reason}`;
}

/** Per fault: its code and provider, what was shown to be wrong, what was not. */
export function explainFaults(faults: readonly FaultCode[], provider: string): readonly string[] {
  return faults.flatMap((fault) => [
    `check failed: ${fault} · provider ${printable(provider)}`,
    `  shown: ${faultWords[fault].shown}`,
    `  not shown: ${faultWords[fault].notShown}`,
  ]);
}
