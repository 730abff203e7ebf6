import { createPublicKey, randomBytes, verify } from 'node:crypto';
import { QvacError } from '../../errors.ts';
import { equalBytes } from '../../lib/bytes.ts';

/** What a transaction does, for the person who is to sign it. Amounts in lamports as decimal text. */
export type Purpose =
  /** Locks the most that an answer can cost; what is not used comes back. */
  | { readonly kind: 'job_create'; readonly amount: string; readonly payee: string; readonly provider: string }
  /** After a failed check: the provider does not get `burnt`, nobody does; the rest comes back. */
  | { readonly kind: 'job_reject'; readonly burnt: string; readonly refunded: string; readonly payee: string; readonly deadline: number }
  /** After a fault that the chain can check: all comes back, and as much again from the provider's stake. */
  | { readonly kind: 'job_slash'; readonly refunded: string; readonly payee: string; readonly deadline: number };

export interface SignatureRequest {
  readonly id: string;
  /** base58 */
  readonly wallet: string;
  readonly purpose: Purpose;
  /** The transaction as wallets take it: room for one signature, then the message. */
  readonly transaction: Uint8Array;
  /** Unix milliseconds. */
  readonly expiresAt: number;
}

interface Waiting extends SignatureRequest {
  settle(signed: Uint8Array | null): void;
}

/** A transaction's blockhash does not live much longer. */
const patienceMs = 50_000;
const signatureBytes = 64;

/** Transactions that wait for a wallet in a page to sign them. */
export class Signatures {
  readonly #waiting = new Map<string, Waiting>();

  pendingOf(wallet: string): readonly SignatureRequest[] {
    return [...this.#waiting.values()].filter((request) => request.wallet === wallet).map(({ settle: _settle, ...request }) => request);
  }

  /**
   * The signature of `publicKey`'s owner over a transaction's message.
   * @throws QvacError E_LIMIT where it is refused, E_TIMEOUT where nobody signs
   */
  request(wallet: string, publicKey: Uint8Array, message: Uint8Array, purpose: Purpose): Promise<Uint8Array> {
    const id = randomBytes(16).toString('hex');
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => end(() => reject(new QvacError('E_TIMEOUT', 'the wallet did not sign in time', { hint: 'nothing was paid; ask again' }))), patienceMs);
      const end = (how: () => void): void => {
        clearTimeout(timer);
        this.#waiting.delete(id);
        how();
      };
      const settle = (signed: Uint8Array | null): void => {
        if (signed === null) return end(() => reject(new QvacError('E_LIMIT', 'the wallet’s owner did not want to pay')));
        const signature = signatureIn(signed, publicKey, message);
        // One that is wrong may be sent again, rightly.
        if (signature === null) throw new QvacError('E_BAD_INPUT', 'that is not this wallet’s signature of this transaction');
        end(() => resolve(signature));
      };
      this.#waiting.set(id, { id, wallet, purpose, transaction: unsigned(message), expiresAt: Date.now() + patienceMs, settle });
    });
  }

  /** @throws QvacError E_NOT_FOUND for one that is over, E_BAD_INPUT for a wrong signature */
  answer(id: string, signed: Uint8Array | null): void {
    const request = this.#waiting.get(id);
    if (request === undefined) throw new QvacError('E_NOT_FOUND', 'nothing is to be signed under that name');
    request.settle(signed);
  }
}

function unsigned(message: Uint8Array): Uint8Array {
  const transaction = new Uint8Array(1 + signatureBytes + message.length);
  transaction[0] = 1;
  transaction.set(message, 1 + signatureBytes);
  return transaction;
}

/** The signature in a signed transaction, if it is of this very message. */
function signatureIn(signed: Uint8Array, publicKey: Uint8Array, message: Uint8Array): Uint8Array | null {
  if (signed[0] !== 1 || !equalBytes(signed.subarray(1 + signatureBytes), message)) return null;
  const signature = signed.slice(1, 1 + signatureBytes);
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(publicKey).toString('base64url') }, format: 'jwk' });
  return verify(null, message, key, signature) ? signature : null;
}
