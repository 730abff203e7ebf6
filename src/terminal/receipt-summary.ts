import { peerIdOf } from '../proofs/signing.ts';
import { decodeHead } from '../proofs/head.ts';
import type { Receipt } from '../proofs/receipt.ts';
import { jobIdOf, modelIdHex } from '../protocol/digests.ts';
import type { FaultCode, Finish, Input, Mode, Result, Tier } from '../protocol/messages.ts';
import { decodeOffer, decodeOpening, decodeVerdict } from '../protocol/validate.ts';

/** What a person wants to know of a receipt, as it claims it: nothing here has been checked. */
export interface ReceiptSummary {
  readonly id: string;
  readonly provider: string;
  /** Who signed the offer: the person, or a router. */
  readonly client: string;
  /** Hex. */
  readonly model: string;
  /** Unix milliseconds of the offer. */
  readonly askedAt: number;
  readonly mode: Mode;
  readonly promptTokens: number;
  readonly tokens: number;
  readonly finish: 'stop' | 'length' | 'cancel' | 'none';
  /** Steps opened. */
  readonly opened: number;
  /** Lamports, null where nothing was paid. */
  readonly paid: number | null;
  readonly verdicts: readonly VerdictSummary[];
  /** Null where the prompt is private. */
  readonly input: Input | null;
  readonly text: string;
}

export interface VerdictSummary {
  readonly verifier: string;
  readonly result: Result;
  readonly tier: Tier;
  readonly count: number;
  readonly faults: readonly FaultCode[];
}

const finishWords = { 0: 'stop', 1: 'length', 2: 'cancel', 255: 'none' } as const satisfies Record<Finish, string>;

/** @throws MalformedError where a message in it is malformed */
export function summarise(receipt: Receipt): ReceiptSummary {
  const offer = decodeOffer(receipt.offer.body);
  const head = decodeHead(receipt.heads[0]?.body ?? new Uint8Array());
  return {
    id: jobIdOf(receipt.offer.body),
    provider: peerIdOf(offer.provider),
    client: peerIdOf(offer.client),
    model: modelIdHex(offer.modelId),
    askedAt: offer.issuedAt,
    mode: offer.mode,
    promptTokens: receipt.promptTokens.length,
    tokens: receipt.tokens.length,
    finish: finishWords[head.finish],
    opened: receipt.opening === null ? 0 : decodeOpening(receipt.opening.body).steps.length,
    paid: offer.payment?.amount ?? null,
    verdicts: receipt.verdicts.map(({ body }) => {
      const { verifier, result, tier, count, faults } = decodeVerdict(body);
      return { verifier: peerIdOf(verifier), result, tier, count, faults };
    }),
    input: receipt.input,
    text: receipt.text,
  };
}

/** `verified exact`, `checked: sampling`, `failed exact: exact-mismatch`. */
export function resultWords({ result, tier, faults }: Pick<VerdictSummary, 'result' | 'tier' | 'faults'>): string {
  if (result === 'fail') return `failed ${tier}: ${faults.join(', ')}`;
  if (result === 'pass' && (tier === 'exact' || tier === 'statistical')) return `verified ${tier}`;
  return `checked: ${tier}${result === 'pass' ? '' : ', inconclusive'}`;
}
