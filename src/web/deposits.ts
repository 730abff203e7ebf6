import type { ChannelPurpose } from './purpose.ts';
import { keepText } from './storage.ts';

interface Deposit {
  readonly channel: string;
  readonly provider: string;
  /** Lamports as decimal text. */
  readonly lamports: string;
}

const key = 'qvac.deposits';
/** The oldest are forgotten. */
const maxKept = 200;

/** What this browser signed to deposit, so that the limit of a channel holds whatever a gateway says about it. */
export const deposits = {
  /** Lamports in that channel of `provider`; null: this browser did not open it. */
  in(channel: string, provider: string): bigint | null {
    const found = read().find((each) => each.channel === channel && each.provider === provider);
    return found === undefined ? null : BigInt(found.lamports);
  },
  /**
   * Before the signed transaction leaves the browser. An opening that is signed again does not take back what was added
   * since. @throws Error with a sentence for the person, if storage has no room
   */
  sign(purpose: ChannelPurpose): void {
    if (purpose.kind !== 'channel_open' && purpose.kind !== 'channel_top_up') return;
    const { channel, provider } = purpose;
    const before = deposits.in(channel, provider) ?? 0n;
    const lamports =
      purpose.kind === 'channel_open' ? larger(before, BigInt(purpose.deposit)) : before + BigInt(purpose.amount);
    const others = read().filter((each) => each.channel !== channel);
    const kept = [{ channel, provider, lamports: lamports.toString() }, ...others].slice(0, maxKept);
    if (!keepText(key, JSON.stringify(kept)))
      throw new Error('This browser has no room to note the deposit. Clear its data of this page. Nothing was sent.');
  },
};

function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

function read(): readonly Deposit[] {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(key) ?? '[]');
    return Array.isArray(found) ? found.filter(isDeposit) : [];
  } catch {
    return [];
  }
}

function isDeposit(value: unknown): value is Deposit {
  const { channel, provider, lamports } = (value ?? {}) as Partial<Record<keyof Deposit, unknown>>;
  return typeof channel === 'string' && typeof provider === 'string' && /^\d{1,20}$/.test(String(lamports));
}
