import { store } from './store.ts';

/** What a channel may hold unless this person set another limit, in SOL. */
export const defaultDeposit = '0.01';

/** The most that one answer may cost, as this person set it, lamports; 0 by default. */
export function limitLamports(): number {
  return lamportsOf(store.settings.maxPrice);
}

/** The most that one channel may hold, as this person set it, lamports. */
export function depositLimitLamports(): number {
  return lamportsOf(store.settings.maxDeposit === '' ? defaultDeposit : store.settings.maxDeposit);
}

/** @param text SOL, as typed */
function lamportsOf(text: string): number {
  const [whole = '0', fraction = ''] = text.split('.');
  const lamports =
    BigInt(whole === '' ? '0' : whole) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0').slice(0, 9) || '0');
  return Number(lamports < BigInt(Number.MAX_SAFE_INTEGER) ? lamports : BigInt(Number.MAX_SAFE_INTEGER));
}
