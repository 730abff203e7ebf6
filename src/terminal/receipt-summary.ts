import type { JobId } from '../lib/types.ts';
import { readSettlement } from '../node/payment/outcome.ts';
import { decodeHead } from '../proofs/head.ts';
import type { Receipt } from '../proofs/receipt.ts';
import { peerIdOf } from '../proofs/signing.ts';
import { jobIdHex, jobIdOf, modelIdHex } from '../protocol/digests.ts';
import {
  type FaultCode,
  type Finish,
  finish,
  type Input,
  type ModeName,
  modeName,
  modes,
  type Offer,
  payFrom,
  type Result,
  type Tier,
} from '../protocol/messages.ts';
import { decodeOffer, decodeOpening, decodeScoreOpening, decodeVerdict } from '../protocol/validate.ts';
import { plural, sol } from './format.ts';
import { type PaymentFacts, paymentWords } from './payment-words.ts';

/** The claims of a receipt in readable form. Nothing here has been checked. */
export interface ReceiptSummary {
  readonly id: string;
  readonly provider: string;
  /** The signer of the offer: this person's client, or a router. */
  readonly client: string;
  /** Hex. */
  readonly model: string;
  /** Unix milliseconds of the offer. */
  readonly askedAt: number;
  readonly mode: ModeName;
  readonly promptTokens: number;
  readonly tokens: number;
  /** Vectors of texts; null: the job wrote an answer. */
  readonly vectors: number | null;
  /** Tokens of the answer that other providers wrote before this job, and the last of their jobs, hex. */
  readonly start: number;
  readonly previous: string | null;
  readonly finish: (typeof finishWords)[Finish];
  /** Number of opened steps. */
  readonly opened: number;
  /** Null for a free answer. */
  readonly payment: PaymentSummary | null;
  readonly verdicts: readonly VerdictSummary[];
  /** Null if the receipt leaves the prompt out. */
  readonly input: Input | null;
  readonly text: string;
}

/** Lamports in decimal. The locked amount is signed; the settlement is the note of the receipt's owner. */
export interface PaymentSummary {
  readonly locked: string;
  /** Null if no settlement is noted. */
  readonly settlement: {
    readonly state: PaymentFacts['state'];
    readonly paid: string;
    readonly refunded: string;
    readonly burnt: string;
    readonly compensation: string;
    readonly dueAt: number | null;
  } | null;
}

export interface VerdictSummary {
  readonly verifier: string;
  readonly result: Result;
  readonly tier: Tier;
  readonly count: number;
  readonly faults: readonly FaultCode[];
  /** The score jobs that it rests on; empty if the verifier computed itself. */
  readonly referees: readonly JobId[];
}

const finishWords = {
  [finish.stopToken]: 'stop',
  [finish.length]: 'length',
  [finish.cancelled]: 'cancel',
  [finish.brokenOff]: 'broken-off',
  [finish.scored]: 'scored',
  [finish.stopText]: 'stop-text',
  [finish.notFinal]: 'none',
} as const satisfies Record<Finish, string>;

/** @throws MalformedError if a message in the receipt is malformed */
export function summarise(receipt: Receipt): ReceiptSummary {
  const offer = decodeOffer(receipt.offer.body);
  const { payment } = offer;
  const head = decodeHead(receipt.heads[0]?.body ?? new Uint8Array());
  return {
    id: jobIdOf(receipt.offer.body),
    provider: peerIdOf(offer.provider),
    client: peerIdOf(offer.client),
    model: modelIdHex(offer.modelId),
    askedAt: Number(offer.issuedAt),
    mode: modeName(offer.mode),
    promptTokens: receipt.promptTokens.length,
    tokens: receipt.tokens.length,
    vectors: receipt.vectors?.counts.length ?? null,
    start: offer.start,
    previous: receipt.previous,
    finish: finishWords[head.finish],
    opened: openedSteps(receipt, offer),
    payment: payment.pay === payFrom.nothing ? null : paymentOf(payment.amountLamports, receipt.settlement),
    verdicts: receipt.verdicts.map(({ body }) => {
      const { verifier, result, tier, count, faults, referees } = decodeVerdict(body);
      return { verifier: peerIdOf(verifier), result, tier, count, faults, referees: referees.map(jobIdHex) };
    }),
    input: receipt.input,
    // A referee gives no answer: its text spells that of another provider.
    text: offer.mode === modes.score ? '' : receipt.text,
  };
}

function openedSteps({ opening }: Receipt, { mode }: Offer): number {
  if (opening === null) return 0;
  if (mode === modes.score) return decodeScoreOpening(opening.body).steps.length;
  const opened = decodeOpening(opening.body);
  return opened.v === 3 ? opened.vectors.length : opened.steps.length;
}

function paymentOf(locked: bigint, noted: Receipt['settlement']): PaymentSummary {
  const found = readSettlement(noted);
  if (found === null) return { locked: locked.toString(), settlement: null };
  const { state, paid, refunded, burnt, compensation, dueAt } = found;
  return {
    locked: locked.toString(),
    settlement: {
      state,
      paid: paid.toString(),
      refunded: refunded.toString(),
      burnt: burnt.toString(),
      compensation: compensation.toString(),
      dueAt,
    },
  };
}

/** The state of the payment, with the command that shows more if it is not settled; null for a free answer. */
export function moneyWords({ id, payment }: Pick<ReceiptSummary, 'id' | 'payment'>): string | null {
  if (payment === null) return null;
  const { settlement } = payment;
  const locked = BigInt(payment.locked);
  const more = `current state: qvac jobs show ${id.slice(0, 8)}`;
  if (settlement === null) return `${sol(locked)} locked; ${more}`;
  const { state, paid, refunded, burnt, compensation, dueAt } = settlement;
  const words = paymentWords({
    state,
    locked,
    paid: BigInt(paid),
    refunded: BigInt(refunded),
    burnt: BigInt(burnt),
    compensation: BigInt(compensation),
    dueAt,
  });
  return state === 'open' || state === 'submitted' ? `${words}; ${more}` : words;
}

/**
 * `verified exact by 1 referee`, `checked: sampling`, `failed exact: exact-mismatch`.
 * @param vectors of an embedding job: what was not recomputed was not checked. @default null
 */
export function resultWords(
  { result, tier, faults, referees }: Pick<VerdictSummary, 'result' | 'tier' | 'faults' | 'referees'>,
  vectors: number | null = null,
): string {
  const by = referees.length === 0 ? '' : ` by ${plural(referees.length, 'referee')}`;
  if (result === 'fail') return `failed ${tier}${by}: ${faults.join(', ')}`;
  if (result === 'pass' && (tier === 'exact' || tier === 'statistical')) return `verified ${tier}${by}`;
  if (vectors !== null) return 'not checked, signed only';
  return `checked: ${tier}${result === 'pass' ? '' : ', inconclusive'}`;
}
