import { fromHex, toHex } from '../../lib/bytes.ts';
import type { JsonForm } from '../../lib/json-file.ts';
import type { Signed } from '../../protocol/messages.ts';

/** A locked payment, and what this client intends to do with it. */
export interface PendingPayment {
  /** Address of the job's account, 32 bytes. */
  readonly address: Uint8Array;
  /** The paying wallet, and the authority to be paid; 32 bytes each. */
  readonly client: Uint8Array;
  readonly provider: Uint8Array;
  /** CAIP-2 */
  readonly chain: string;
  readonly amount: bigint;
  /** When this was first written, before anything was sent to the chain, unix ms. */
  readonly at: number;
  /**
   * `wait`: no final head has arrived. `confirm` or `reject`: the answer was checked. `reject` also if the answer broke
   * off, for a provider that submits what never arrived.
   */
  readonly intent: 'wait' | 'confirm' | 'reject';
  /** The received final head. */
  readonly head: Signed | null;
  /** Two heads of the provider that contradict each other: evidence to slash it once it submits. */
  readonly conflict: readonly [Signed, Signed] | null;
  /** Accepted prompt tokens of a broken-off answer; otherwise 0. */
  readonly promptCount: number;
  /** The digest that a rejection names, 32 bytes. */
  readonly verdictDigest: Uint8Array;
}

export const pendingPaymentForm: JsonForm<PendingPayment> = {
  toJson({ address, client, provider, chain, amount, at, intent, head, conflict, promptCount, verdictDigest }) {
    return {
      version: 1,
      address: toHex(address),
      client: toHex(client),
      provider: toHex(provider),
      chain,
      amount: amount.toString(),
      at,
      intent,
      head: head === null ? null : headJson(head),
      conflict: conflict === null ? null : conflict.map(headJson),
      promptCount,
      verdictDigest: toHex(verdictDigest),
    };
  },
  parse(value) {
    if (typeof value !== 'object' || value === null) return null;
    const {
      version,
      chain,
      amount,
      at = 0,
      intent,
      head,
      conflict = null,
      promptCount = 0,
      ...keys
    } = value as Readonly<Record<string, unknown>>;
    const [address, client, provider, verdictDigest] = ['address', 'client', 'provider', 'verdictDigest'].map((key) =>
      bytesIn(keys[key], 32),
    );
    if (version !== 1 || address == null || client == null || provider == null || verdictDigest == null) return null;
    if (typeof chain !== 'string' || typeof amount !== 'string' || !/^\d{1,20}$/.test(amount)) return null;
    if (intent !== 'wait' && intent !== 'confirm' && intent !== 'reject') return null;
    if (!isNatural(at) || !isNatural(promptCount)) return null;
    const signed = headIn(head);
    const pair = conflictIn(conflict);
    return signed === undefined || pair === undefined
      ? null
      : {
          address,
          client,
          provider,
          chain,
          amount: BigInt(amount),
          at,
          intent,
          head: signed,
          conflict: pair,
          promptCount,
          verdictDigest,
        };
  },
};

function isNatural(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function headJson({ body, sig }: Signed) {
  return { body: toHex(body), sig: toHex(sig) };
}

function bytesIn(value: unknown, length: number): Uint8Array | null {
  return typeof value === 'string' && value.length === 2 * length && /^[0-9a-f]*$/.test(value) ? fromHex(value) : null;
}

/** Undefined if `value` is malformed. */
function headIn(value: unknown): Signed | null | undefined {
  if (value === null) return null;
  if (typeof value !== 'object' || value === undefined) return undefined;
  const { body, sig } = value as Readonly<Record<string, unknown>>;
  const [bodyBytes, sigBytes] = [bytesIn(body, 202), bytesIn(sig, 64)];
  return bodyBytes === null || sigBytes === null ? undefined : { body: bodyBytes, sig: sigBytes };
}

/** Undefined if `value` is malformed. */
function conflictIn(value: unknown): PendingPayment['conflict'] | undefined {
  if (value === null) return null;
  if (!Array.isArray(value) || value.length !== 2) return undefined;
  const [one, other] = (value as readonly unknown[]).map(headIn);
  return one == null || other == null ? undefined : [one, other];
}
