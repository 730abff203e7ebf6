import { GatewayError, request } from './api.ts';
import { limitLamports } from './limit.ts';
import type { Purpose } from './purpose.ts';
import { randomHex } from './random.ts';
import { objection } from './transaction.ts';
import { wallets } from './wallet.ts';

/** One payment that waits for this person's word. */
export interface Agreement {
  /** The same for every transaction that is made anew for it. */
  readonly key: string;
  readonly id: string;
  readonly purpose: Purpose;
  /** What the wallet is to sign; null where the gateway's own wallet does. */
  readonly transaction: Uint8Array | null;
  /** Until when this transaction can be signed, by this browser's clock, unix ms. */
  readonly expiresAt: number;
  /** Until when an objection makes a difference; null where there is none. */
  readonly deadline: number | null;
}

interface Waiting {
  readonly id: string;
  readonly purpose: Purpose;
  readonly transaction: string | null;
  readonly expiresInMs: number;
  readonly deadlineInMs: number | null;
}

/** How often it is asked what waits, ms. */
const everyMs = 700;
/** How long an objection may take to be made anew for a person who was away, ms. */
const renewalMs = 5_000;

function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

function base64Of(bytes: Uint8Array): string {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
}

/**
 * What waits for this person: signatures of their wallet, and consents to what the gateway's own wallet pays for their
 * questions.
 */
class Agreements {
  /** By key. */
  readonly pending = new Map<string, Agreement>();
  readonly #pages = new Set<string>();
  readonly #listeners = new Set<() => void>();
  readonly #missedSince = new Map<string, number>();
  #running = false;

  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  start(): void {
    wallets.onChange(() => this.#run());
  }

  /** Looks out for the consents of one question, under a name of its own, until `end`. */
  forQuestion(): { readonly name: string; end(): void } {
    const name = `page-${randomHex(12)}`;
    this.#pages.add(name);
    this.#run();
    return { name, end: () => void this.#pages.delete(name) };
  }

  /** Agrees: has the wallet sign, where one is to, and tells the gateway. @throws Error in plain words */
  async agree(seen: Agreement): Promise<void> {
    const { id, key, transaction } = await this.#renewed(seen);
    const answer = transaction === null ? { agreed: true } : { signed: base64Of(await wallets.sign(transaction)) };
    await this.#answer(id, key, answer);
  }

  async refuse(seen: Agreement): Promise<void> {
    await this.#lookOnce();
    const { id, key } = this.pending.get(seen.key) ?? seen;
    await this.#answer(id, key, { refused: true });
  }

  /**
   * As it is now: the transaction that was looked at may have been too old a moment later. @throws Error in plain words
   */
  async #renewed({ key }: Agreement): Promise<Agreement> {
    await this.#lookOnce();
    const now = this.pending.get(key);
    if (now === undefined || now.expiresAt < Date.now())
      throw new Error(now === undefined ? answered : 'It is being made anew: press again in a moment.');
    const wrong = objectionTo(now);
    if (wrong !== null) throw new Error(wrong);
    return now;
  }

  async #answer(id: string, key: string, answer: object): Promise<void> {
    try {
      await request(`/qvac/signatures/${id}`, { method: 'POST', body: JSON.stringify(answer) });
    } catch (error) {
      if (!(error instanceof GatewayError) || error.status !== 404) throw error;
      throw new Error(
        'Your word came too late for this transaction. If another is asked for, it is made anew: press again.',
      );
    }
    this.pending.delete(key);
    this.#tell();
  }

  #names(): readonly string[] {
    return [...(wallets.account === null ? [] : [wallets.account.address]), ...this.#pages];
  }

  #run(): void {
    if (this.#running || this.#names().length === 0) return;
    this.#running = true;
    void this.#look();
  }

  async #look(): Promise<void> {
    while (this.#names().length > 0) {
      await this.#lookOnce();
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
    this.#running = false;
    this.#take([], false);
  }

  async #lookOnce(): Promise<void> {
    const asked = await Promise.all(this.#names().map((name) => waitingFor(name).catch(() => null)));
    this.#take(
      asked.flatMap((each) => each ?? []),
      asked.includes(null),
    );
  }

  #take(waiting: readonly Agreement[], partly: boolean): void {
    const now = Date.now();
    for (const each of waiting) {
      this.pending.set(each.key, each);
      this.#missedSince.delete(each.key);
    }
    for (const { key, deadline, expiresAt } of [...this.pending.values()]) {
      if (waiting.some((each) => each.key === key) || (partly && expiresAt > now)) continue;
      const since = this.#missedSince.get(key) ?? now;
      this.#missedSince.set(key, since);
      if (deadline === null || deadline <= now || now - since > renewalMs) this.pending.delete(key);
    }
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

const answered = 'This was answered already, or is not asked any more.';

/** Why this transaction must not be signed, in a sentence for the person; null where nothing is wrong with it. */
export function objectionTo({ purpose, transaction }: Agreement): string | null {
  if (transaction === null) return null;
  if (wallets.unfit !== null) return wallets.unfit;
  const found = objection(transaction, purpose, {
    wallet: wallets.account?.address ?? '',
    program: wallets.overview?.program ?? '',
    limit: BigInt(limitLamports()),
  });
  return found === null ? null : `Do not sign this: ${found}. The gateway did not build what it says.`;
}

async function waitingFor(name: string): Promise<readonly Agreement[]> {
  const response = await request(`/qvac/wallets/${encodeURIComponent(name)}/requests`);
  const { requests } = (await response.json()) as { readonly requests: readonly Waiting[] };
  const now = Date.now();
  return requests.map(({ id, purpose, transaction, expiresInMs, deadlineInMs }) => ({
    key: `${purpose.kind}/${purpose.job}`,
    id,
    purpose,
    transaction: transaction === null ? null : bytesOf(transaction),
    expiresAt: now + expiresInMs,
    deadline: deadlineInMs === null ? null : now + deadlineInMs,
  }));
}

export const agreements = new Agreements();
