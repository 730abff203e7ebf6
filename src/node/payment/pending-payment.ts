import * as v from 'valibot';
import { toHex } from '../../lib/bytes.ts';
import type { JsonForm } from '../../lib/json-file.ts';
import type { Signed } from '../../protocol/messages.ts';
import { hex, lamports, natural } from '../home/kept-values.ts';

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
  /** What the network took so far, lamports. */
  readonly fees: bigint;
  /** When this was first written, before anything was sent to the chain, unix ms. */
  readonly at: number;
  /**
   * `wait`: nothing is decided. `confirm`: the answer passed its checks, or broke off and is paid as far as it was
   * acknowledged. `reject`: it failed. `challenge`: the provider did not open it, and is asked to on the chain.
   */
  readonly intent: 'wait' | 'confirm' | 'reject' | 'challenge';
  /** The final head that was received, of a broken-off answer the newest. */
  readonly head: Signed | null;
  /** Two heads of the provider that contradict each other: evidence to slash it once it submits. */
  readonly conflict: readonly [Signed, Signed] | null;
  /** Accepted prompt tokens of a broken-off answer; null if the head says them. */
  readonly promptCount: number | null;
  /** The digest that a rejection names, 32 bytes. */
  readonly verdictDigest: Uint8Array;
}

const head = v.object({ body: hex(202), sig: hex(64) });

const form = v.object({
  version: v.literal(1),
  address: hex(32),
  client: hex(32),
  provider: hex(32),
  chain: v.string(),
  amount: lamports,
  fees: lamports,
  at: natural,
  intent: v.picklist(['wait', 'confirm', 'reject', 'challenge']),
  head: v.nullable(head),
  conflict: v.nullable(v.tuple([head, head])),
  promptCount: v.nullable(natural),
  verdictDigest: hex(32),
});

export const pendingPaymentForm: JsonForm<PendingPayment> = {
  toJson({ address, client, provider, verdictDigest, amount, fees, ...pending }) {
    return {
      version: 1,
      ...pending,
      address: toHex(address),
      client: toHex(client),
      provider: toHex(provider),
      verdictDigest: toHex(verdictDigest),
      amount: amount.toString(),
      fees: fees.toString(),
      head: pending.head && headJson(pending.head),
      conflict: pending.conflict && pending.conflict.map(headJson),
    };
  },
  parse(value) {
    const { success, output } = v.safeParse(form, value);
    if (!success) return null;
    const { version: _version, ...pending } = output;
    return pending;
  },
};

function headJson({ body, sig }: Signed) {
  return { body: toHex(body), sig: toHex(sig) };
}
