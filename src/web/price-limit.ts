import { store } from './store.ts';

/** The most that one answer may cost, as this person set it, lamports; 0 by default. */
export function limitLamports(): number {
  const [whole = '0', fraction = ''] = store.settings.maxPrice.split('.');
  const lamports =
    BigInt(whole === '' ? '0' : whole) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0').slice(0, 9) || '0');
  return Number(lamports < BigInt(Number.MAX_SAFE_INTEGER) ? lamports : BigInt(Number.MAX_SAFE_INTEGER));
}
