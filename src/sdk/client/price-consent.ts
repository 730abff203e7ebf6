import type { Config } from '../../config.ts';
import { QvacError } from '../../errors.ts';
import type { AbortOptions } from '../../lib/types.ts';
import type { AskInit } from '../../node/client/ask-init.ts';

/** Asks whether one answer may cost up to `lamports`, which is more than the configured maximum. */
export type PriceConsent = (lamports: bigint, options: AbortOptions) => Promise<boolean>;

/** What a question says of its price in the place of the settings. */
export type AgreedPrice = Partial<Pick<AskInit, 'maxPrice' | 'pay'>>;

/**
 * Asks within the configured maximum; if the price is above it and the person agrees, asks again with that price.
 * @throws as of `ask`
 */
export async function askAtAgreedPrice<Value>(
  { settings }: Config,
  consent: PriceConsent,
  ask: (agreed: AgreedPrice) => Promise<Value>,
  options: AbortOptions,
): Promise<Value> {
  try {
    return await ask({});
  } catch (error) {
    const lamports = refusedPrice(error);
    if (lamports === null || !(await consent(lamports, options))) throw error;
    // The person agreed to the price of this answer, not to a deposit for further ones.
    return ask({ pay: settings.pay === 'auto' ? 'job' : undefined, maxPrice: Number(lamports) });
  }
}

/** The price in lamports that `error` refused as too high, null for any other error. */
function refusedPrice(error: unknown): bigint | null {
  const price = error instanceof QvacError && error.code === 'E_TOO_DEAR' ? error.details?.priceLamports : undefined;
  return typeof price === 'string' && Number.isSafeInteger(Number(price)) ? BigInt(price) : null;
}
