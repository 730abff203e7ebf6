import type { Delivery } from '../../../escrow/escrow.ts';
import { fromHex, toHex } from '../../../lib/bytes.ts';
import type { JsonForm } from '../../../lib/json-file.ts';

/** A delivered answer with a locked payment: all that a later process needs to submit it. */
export interface DeliveredJob {
  /** Address of the job's account, 32 bytes. */
  readonly address: Uint8Array;
  /** The paying wallet, 32 bytes. */
  readonly client: Uint8Array;
  /**
   * The number of the served job among the provider's jobs. After a refund, the client can create another job with the
   * same id, and so at the same address, but with a seed that makes this answer look fraudulent.
   */
  readonly number: bigint;
  readonly delivery: Delivery;
}

export const deliveredJobForm: JsonForm<DeliveredJob> = {
  toJson({ address, client, number, delivery: { root, textDigest, promptCount, tokenCount, finish, cancel } }) {
    const signed = cancel === null ? null : { n: cancel.n, sig: toHex(cancel.sig) };
    return {
      version: 1,
      address: toHex(address),
      client: toHex(client),
      number: number.toString(),
      root: toHex(root),
      textDigest: toHex(textDigest),
      promptCount,
      tokenCount,
      finish,
      cancel: signed,
    };
  },
  parse(value) {
    if (typeof value !== 'object' || value === null) return null;
    const fields = value as Readonly<Record<string, unknown>>;
    const [address, client, root, textDigest] = [fields.address, fields.client, fields.root, fields.textDigest].map(
      digestIn,
    );
    const counts = [fields.promptCount, fields.tokenCount, fields.finish];
    const { number } = fields;
    if (typeof number !== 'string' || !/^\d{1,20}$/.test(number)) return null;
    if (
      fields.version !== 1 ||
      address == null ||
      client == null ||
      root == null ||
      textDigest == null ||
      !counts.every(isCount)
    )
      return null;
    const [promptCount = 0, tokenCount = 0, finish = 0] = counts as readonly number[];
    const cancel = cancelIn(fields.cancel);
    return cancel === undefined
      ? null
      : {
          address,
          client,
          number: BigInt(number),
          delivery: { root, textDigest, promptCount, tokenCount, finish, cancel },
        };
  },
};

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;

function digestIn(value: unknown): Uint8Array | null {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value) ? fromHex(value) : null;
}

/** Undefined if `value` is malformed. */
function cancelIn(value: unknown): Delivery['cancel'] | undefined {
  if (value === null) return null;
  if (typeof value !== 'object' || value === undefined || !('n' in value) || !('sig' in value)) return undefined;
  const { n, sig } = value;
  return isCount(n) && typeof sig === 'string' && /^[0-9a-f]{128}$/.test(sig)
    ? { n: n as number, sig: fromHex(sig) }
    : undefined;
}
