import { randomBytes } from 'node:crypto';
import { equalBytes, toHex } from '../../../lib/bytes.ts';
import type { Clock } from '../../../lib/clock.ts';
import { type SigningKey, signBody } from '../../../proofs/signing.ts';
import { quoteLifeMs } from '../../../protocol/constants.ts';
import { sha256 } from '../../../protocol/digests.ts';
import { kinds, type PayFrom, type Quote, type Signed } from '../../../protocol/messages.ts';
import { encodeQuote } from '../../../protocol/validate.ts';
import { OfferRefusal } from '../refusal.ts';

/** The open quotes, each valid for one job. */
export interface Quotes {
  /**
   * Signs a quote and keeps it until it expires, or until too many are open and its client holds the most.
   * @param pay the kind of payment that it was asked for
   * @throws OfferRefusal `busy` if too many are open
   */
  issue(
    terms: Pick<
      Quote,
      | 'client'
      | 'modelId'
      | 'requestDigest'
      | 'mode'
      | 'promptTokens'
      | 'maxTokens'
      | 'priceJob'
      | 'priceIn'
      | 'priceOut'
      | 'grace'
      | 'deliverWithin'
      | 'execClass'
      | 'pay'
    >,
    pay: PayFrom,
  ): Signed;
  /** The open quote with this digest and its signed bytes; null if it is unknown or was used. */
  find(digest: Uint8Array): IssuedQuote | null;
  /** Marks the quote as used: `find` no longer returns it. */
  use(digest: Uint8Array): void;
}

export interface IssuedQuote {
  readonly quote: Quote;
  /** The kind of payment that it is for: prices may differ. */
  readonly pay: PayFrom;
  readonly signed: Signed;
}

export interface QuotesInit {
  /** Open quotes in total. @default 4096 */
  readonly max?: number | undefined;
  /** Open quotes of one client. @default 64 */
  readonly maxPerClient?: number | undefined;
}

export function createQuotes(
  { clock, key }: { readonly clock: Clock; readonly key: SigningKey },
  { max = 4096, maxPerClient = 64 }: QuotesInit = {},
): Quotes {
  const issued = new Map<string, IssuedQuote>();

  /** A few strangers that fill the list shut nobody out. @param own quotes of the client that asks */
  function dropOneOfLargestHolder(own: number): void {
    const held = new Map<string, string[]>();
    for (const [digest, { quote }] of issued) {
      const holder = toHex(quote.client);
      const digests = held.get(holder) ?? [];
      digests.push(digest);
      held.set(holder, digests);
    }
    const largest = [...held.values()].reduce((one, other) => (other.length > one.length ? other : one), []);
    const [oldest] = largest;
    if (oldest === undefined || largest.length <= own + 1) throw tooMany();
    issued.delete(oldest);
  }

  function makeRoom(client: Uint8Array): void {
    const now = clock.now();
    let own = 0;
    for (const [digest, { quote }] of issued) {
      if (quote.expiresAt <= now) issued.delete(digest);
      else if (equalBytes(quote.client, client)) own++;
    }
    if (own >= maxPerClient) throw tooMany();
    if (issued.size >= max) dropOneOfLargestHolder(own);
  }

  return {
    issue(terms, pay) {
      makeRoom(terms.client);
      const issuedAt = clock.now();
      const quote: Quote = {
        v: 1,
        peer: key.publicKey,
        ...terms,
        issuedAt,
        expiresAt: issuedAt + quoteLifeMs,
        nonce: randomBytes(16),
      };
      const signed = signBody(key, kinds.quote, null, encodeQuote(quote));
      issued.set(toHex(sha256(signed.body)), { quote, pay, signed });
      return signed;
    },
    find: (digest) => issued.get(toHex(digest)) ?? null,
    use: (digest) => void issued.delete(toHex(digest)),
  };
}

function tooMany(): OfferRefusal {
  return new OfferRefusal('busy', 'too many quotes are open');
}
