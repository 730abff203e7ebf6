import { createPublicKey, randomBytes, verify } from 'node:crypto';
import { QvacError, toError } from '../../errors.ts';
import { anySignal } from '../../lib/abort.ts';
import { equalBytes } from '../../lib/bytes.ts';
import type { AbortOptions } from '../../lib/types.ts';
import type { Purpose } from './purpose.ts';

export interface SignatureRequest {
  readonly id: string;
  /** Address (base58); for the gateway's own wallet, the id of the page that must approve. */
  readonly wallet: string;
  readonly purpose: Purpose;
  /**
   * The transaction in the wallets' format: room for one signature, then the message. Null if the gateway's own wallet
   * signs and the person only approves.
   */
  readonly transaction: Uint8Array | null;
  /** Unix milliseconds. */
  readonly expiresAt: number;
}

interface Waiting extends SignatureRequest {
  settle(signed: Uint8Array | null): void;
  agree(): void;
}

/** A transaction's blockhash expires soon after. */
const patienceMs = 50_000;
const signatureBytes = 64;

/** Transactions that wait for a signature and payments that wait for an approval, of people in the page. */
export class Signatures {
  readonly #waiting = new Map<string, Waiting>();
  readonly #patience: () => number;
  readonly #end = new AbortController();

  /** @param init.patience how long a request waits, ms, or what says so for each. @default 50_000 */
  constructor({ patience = patienceMs }: { readonly patience?: number | (() => number) | undefined } = {}) {
    this.#patience = typeof patience === 'number' ? () => patience : patience;
  }

  pendingOf(wallet: string): readonly SignatureRequest[] {
    return [...this.#waiting.values()]
      .filter((request) => request.wallet === wallet)
      .map(({ id, purpose, transaction, expiresAt }) => ({ id, wallet, purpose, transaction, expiresAt }));
  }

  /**
   * Waits for the signature of `publicKey`'s owner over a transaction's message.
   * @throws QvacError E_LIMIT if it is refused, E_TIMEOUT if it is not signed in time; the signal's reason
   */
  request(
    wallet: string,
    publicKey: Uint8Array,
    message: Uint8Array,
    purpose: Purpose,
    options: AbortOptions = {},
  ): Promise<Uint8Array> {
    return this.#ask<Uint8Array>({ wallet, purpose, transaction: unsigned(message) }, options, (end) => ({
      settle(signed) {
        const signature = signatureIn(signed, publicKey, message);
        // The wallet may send a correct signature later.
        if (signature === null)
          throw new QvacError('E_BAD_INPUT', 'the signature is not this wallet’s, or of another transaction');
        end(signature);
      },
      agree: () => {
        throw new QvacError('E_BAD_INPUT', 'this needs the wallet’s signature');
      },
    }));
  }

  /**
   * Waits for the approval of a payment by the gateway's own wallet.
   * @param page the id of the page that must approve
   * @throws QvacError E_LIMIT if it is refused, E_TIMEOUT if it is not answered in time; the signal's reason
   */
  consent(page: string, purpose: Purpose, options: AbortOptions = {}): Promise<void> {
    return this.#ask<void>({ wallet: page, purpose, transaction: null }, options, (end) => ({
      settle: () => {
        throw new QvacError('E_BAD_INPUT', 'this needs an approval, not a signature');
      },
      agree: () => end(),
    }));
  }

  /** Ends every wait with `reason`. */
  stop(reason: Error): void {
    this.#end.abort(reason);
  }

  #ask<Answer>(
    request: Pick<SignatureRequest, 'wallet' | 'purpose' | 'transaction'>,
    options: AbortOptions,
    answers: (end: (answer: Answer) => void) => { settle(signed: Uint8Array): void; agree(): void },
  ): Promise<Answer> {
    const id = randomBytes(16).toString('hex');
    const patience = this.#patience();
    const signal = anySignal(this.#end.signal, options.signal);
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const over = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', leave);
        this.#waiting.delete(id);
      };
      const fail = (error: unknown): void => {
        over();
        reject(toError(error));
      };
      const leave = (): void => fail(signal.reason);
      const timer = setTimeout(
        () => fail(new QvacError('E_TIMEOUT', 'the payment was not approved in time', { hint: 'nothing was paid' })),
        patience,
      );
      signal.addEventListener('abort', leave, { once: true });
      const { settle, agree } = answers((answer) => {
        over();
        resolve(answer);
      });
      const refused = (): void =>
        fail(new QvacError('E_LIMIT', 'you did not approve the payment', { hint: 'nothing was paid' }));
      this.#waiting.set(id, {
        ...request,
        id,
        expiresAt: Date.now() + patience,
        settle: (signed) => (signed === null ? refused() : settle(signed)),
        agree,
      });
    });
  }

  /**
   * @param signed the signed transaction; null refuses it. @throws QvacError E_NOT_FOUND if the request is over,
   * E_BAD_INPUT for a wrong signature
   */
  answer(id: string, signed: Uint8Array | null): void {
    this.#find(id).settle(signed);
  }

  /** @throws QvacError E_NOT_FOUND if the request is over, E_BAD_INPUT if it needs a signature */
  agree(id: string): void {
    this.#find(id).agree();
  }

  #find(id: string): Waiting {
    const request = this.#waiting.get(id);
    if (request === undefined) throw new QvacError('E_NOT_FOUND', 'no request with that id is waiting');
    return request;
  }
}

function unsigned(message: Uint8Array): Uint8Array {
  const transaction = new Uint8Array(1 + signatureBytes + message.length);
  transaction[0] = 1;
  transaction.set(message, 1 + signatureBytes);
  return transaction;
}

/** The signature in a signed transaction; null unless it is of exactly this message. */
function signatureIn(signed: Uint8Array, publicKey: Uint8Array, message: Uint8Array): Uint8Array | null {
  if (signed[0] !== 1 || !equalBytes(signed.subarray(1 + signatureBytes), message)) return null;
  const signature = signed.slice(1, 1 + signatureBytes);
  const key = createPublicKey({
    key: { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(publicKey).toString('base64url') },
    format: 'jwk',
  });
  return verify(null, message, key, signature) ? signature : null;
}
