import type { Delivery } from '../../../escrow/escrow.ts';
import { fromHex, toHex } from '../../../lib/bytes.ts';
import type { JournalForm } from '../../home/journal.ts';

/** What was delivered for a locked payment: enough to submit it, whichever process does. */
export interface DeliveredJob {
  /** Of the job's account. */
  readonly address: Uint8Array;
  /** The wallet that pays. */
  readonly client: Uint8Array;
  /**
   * Which of the provider's jobs was served. Once its client has the money back it can create another one under the
   * same
   * id, and so at the same address, with a seed that makes a fraud of this answer.
   */
  readonly number: bigint;
  readonly delivery: Delivery;
}

export const deliveredJobForm: JournalForm<DeliveredJob> = {
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

/** Undefined where it is none. */
function cancelIn(value: unknown): Delivery['cancel'] | undefined {
  if (value === null) return null;
  if (typeof value !== 'object' || value === undefined || !('n' in value) || !('sig' in value)) return undefined;
  const { n, sig } = value;
  return isCount(n) && typeof sig === 'string' && /^[0-9a-f]{128}$/.test(sig)
    ? { n: n as number, sig: fromHex(sig) }
    : undefined;
}
