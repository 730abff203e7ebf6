import { randomBytes } from 'node:crypto';
import { equalBytes, toHex } from '../../../lib/bytes.ts';
import type { Clock } from '../../../lib/clock.ts';
import { type SigningKey, signBody } from '../../../proofs/signing.ts';
import { quoteLifeMs } from '../../../protocol/constants.ts';
import { sha256 } from '../../../protocol/digests.ts';
import { kinds, type Quote, type Signed } from '../../../protocol/messages.ts';
import { encodeQuote } from '../../../protocol/validate.ts';
import { OfferRefusal } from '../refusal.ts';

/** The quotes that are out, each good for one job. */
export interface Quotes {
  /** Signs a quote and remembers it while it lives. @throws Refusal `busy` where too many are out */
  issue(
    terms: Pick<
      Quote,
      | 'client'
      | 'modelId'
      | 'requestDigest'
      | 'promptTokens'
      | 'maxTokens'
      | 'priceIn'
      | 'priceOut'
      | 'execClass'
      | 'pay'
    >,
  ): Signed;
  /** The quote with this digest and its signed bytes, if it is ours and not used. */
  find(digest: Uint8Array): IssuedQuote | null;
  /** It is spent; `find` does not know it any more. */
  use(digest: Uint8Array): void;
}

export interface IssuedQuote {
  readonly quote: Quote;
  readonly signed: Signed;
}

export interface QuotesInit {
  /** Quotes out at the same time. @default 4096 */
  readonly max?: number | undefined;
  /** Of these, for one client. @default 64 */
  readonly maxPerClient?: number | undefined;
}

export function createQuotes(
  { clock, key }: { readonly clock: Clock; readonly key: SigningKey },
  { max = 4096, maxPerClient = 64 }: QuotesInit = {},
): Quotes {
  const issued = new Map<string, IssuedQuote>();

  function makeRoom(client: Uint8Array): void {
    const now = clock.now();
    let own = 0;
    for (const [digest, { quote }] of issued) {
      if (quote.expiresAt <= now) issued.delete(digest);
      else if (equalBytes(quote.client, client)) own++;
    }
    if (issued.size >= max || own >= maxPerClient) throw new OfferRefusal('busy', 'too many quotes are out');
  }

  return {
    issue(terms) {
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
      issued.set(toHex(sha256(signed.body)), { quote, signed });
      return signed;
    },
    find: (digest) => issued.get(toHex(digest)) ?? null,
    use: (digest) => void issued.delete(toHex(digest)),
  };
}
