import { request } from './api.ts';
import { randomHex } from './random.ts';
import { wallets, type Purpose } from './wallet.ts';

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

/** What waits for this person: signatures of their wallet, and consents to what the gateway's own wallet pays for their questions. */
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
  async agree({ id, key, transaction }: Agreement): Promise<void> {
    const answer = transaction === null ? { agreed: true } : { signed: base64Of(await wallets.sign(transaction)) };
    await this.#answer(id, key, answer);
  }

  async refuse({ id, key }: Agreement): Promise<void> {
    await this.#answer(id, key, { refused: true });
  }

  async #answer(id: string, key: string, answer: object): Promise<void> {
    await request(`/qvac/signatures/${id}`, { method: 'POST', body: JSON.stringify(answer) });
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
      const asked = await Promise.all(this.#names().map((name) => waitingFor(name).catch(() => null)));
      this.#take(asked.flatMap((each) => each ?? []), asked.includes(null));
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
    this.#running = false;
    this.#take([], false);
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
