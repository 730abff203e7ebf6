import { request } from './api.ts';
import { type Demand, isSameDemand } from './demand.ts';
import { deposits } from './deposits.ts';
import { GatewayError } from './gateway-error.ts';
import { market } from './market.ts';
import { objections } from './objections.ts';
import { depositLimitLamports, limitLamports } from './price-limit.ts';
import { isChannelPurpose, isObjection, type Purpose, subjectOf } from './purpose.ts';
import { randomHex } from './random.ts';
import { objection } from './transaction-checks.ts';
import { wallets } from './wallet.ts';

/** A payment that waits for this person's signature or consent. */
export interface SignatureRequest extends Demand {
  /** Stays the same when the gateway builds the transaction again. */
  readonly key: string;
  readonly id: string;
  /** When this transaction expires, by this browser's clock, unix ms. */
  readonly expiresAt: number;
  /** The last moment that an objection counts, unix ms; null if this is not an objection. */
  readonly deadline: number | null;
}

interface Waiting {
  readonly id: string;
  readonly purpose: Purpose;
  readonly transaction: string | null;
  readonly expiresInMs: number;
  readonly deadlineInMs: number | null;
}

/** How often to poll for requests, ms. */
const everyMs = 700;
/** How long the gateway may take to build an expired objection again, ms. */
const renewalMs = 5_000;

function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

function base64Of(bytes: Uint8Array): string {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
}

/**
 * Requests that wait for this person: signatures of their wallet, and consents to payments by the gateway's own wallet.
 */
class SignatureRequests {
  /** By key. */
  readonly pending = new Map<string, SignatureRequest>();
  readonly #pages = new Set<string>();
  readonly #listeners = new Set<() => void>();
  readonly #missedSince = new Map<string, number>();
  /** Ids. What was fetched before the answer may still name them. */
  readonly #answered = new Set<string>();
  #polling = false;

  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  start(): void {
    wallets.onChange(() => this.#start());
    market.onChange(() => this.#start());
  }

  /** Watches for the consents that one prompt needs, under an id of its own, until `end` is called. */
  forQuestion(): { readonly name: string; end(): void } {
    const name = `page-${randomHex(12)}`;
    this.#pages.add(name);
    this.#start();
    return { name, end: () => void this.#pages.delete(name) };
  }

  /**
   * Approves a request: the wallet signs if it has to, and the gateway gets the result. @throws Error with a sentence
   * for the person
   */
  async agree(seen: SignatureRequest): Promise<void> {
    const { id, key, purpose, transaction } = await this.#renewed(seen);
    const answer = transaction === null ? { agreed: true } : { signed: base64Of(await wallets.sign(transaction)) };
    if (transaction !== null && isChannelPurpose(purpose)) deposits.sign(purpose);
    await this.#answer(id, key, answer);
  }

  async refuse(seen: SignatureRequest): Promise<void> {
    // At once, so that nothing asks for it again while the gateway is told.
    if (isObjection(seen.purpose)) objections.decline(subjectOf(seen.purpose));
    await this.#pollOnce();
    const { id, key } = this.pending.get(seen.key) ?? seen;
    await this.#answer(id, key, { refused: true });
  }

  /**
   * The request as it is now: the transaction on screen may have expired meanwhile. @throws Error with a sentence for
   * the person
   */
  async #renewed(seen: SignatureRequest): Promise<SignatureRequest> {
    await this.#pollOnce();
    const now = this.pending.get(seen.key);
    if (now === undefined || now.expiresAt < Date.now())
      throw new Error(now === undefined ? answered : 'The transaction is being built again: press again in a moment.');
    if (!isSameDemand(now, seen)) throw new Error('The gateway changed this request: look at it again.');
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
        'This transaction expired before you answered. If it is still needed, it is built again: press again.',
      );
    }
    this.#answered.add(id);
    this.pending.delete(key);
    this.#notify();
  }

  #names(): readonly string[] {
    // A gateway whose own wallet pays nothing asks for no consent.
    const pages = (market.view.state?.defaults.maxPrice ?? 0) > 0 ? this.#pages : [];
    return [...(wallets.account === null ? [] : [wallets.account.address]), ...pages];
  }

  #start(): void {
    if (this.#polling || this.#names().length === 0) return;
    this.#polling = true;
    void this.#poll();
  }

  async #poll(): Promise<void> {
    while (this.#names().length > 0) {
      await this.#pollOnce();
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
    this.#polling = false;
    this.#update([], false);
  }

  async #pollOnce(): Promise<void> {
    const asked = await Promise.all(this.#names().map((name) => waitingFor(name).catch(() => null)));
    // A new transaction is checked against the wallet as it is now.
    const isNew = asked.some((each) =>
      each?.some(({ key, transaction }) => transaction !== null && !this.pending.has(key)),
    );
    if (isNew) await wallets.refresh().catch(() => undefined);
    this.#update(
      asked.flatMap((each) => each ?? []),
      asked.includes(null),
    );
  }

  #update(asked: readonly SignatureRequest[], partly: boolean): void {
    const now = Date.now();
    // A refusal counts for the objection, not only for one of its transactions; until the gateway has it, the newest
    // of them is the one to refuse.
    const waiting = asked.filter(
      ({ id, key, purpose }) =>
        !this.#answered.has(id) &&
        (this.pending.has(key) || !isObjection(purpose) || !objections.isDeclined(subjectOf(purpose))),
    );
    for (const each of waiting) {
      this.pending.set(each.key, { ...each, chain: wallets.overview?.chain ?? '' });
      this.#missedSince.delete(each.key);
    }
    for (const { key, purpose, deadline, expiresAt } of [...this.pending.values()]) {
      if (waiting.some((each) => each.key === key)) continue;
      // The gateway could not be asked: an objection stays until its time is over.
      if (partly && Math.max(expiresAt, deadline ?? 0) > now) continue;
      const since = this.#missedSince.get(key) ?? now;
      this.#missedSince.set(key, since);
      const isOver = !isObjection(purpose) || (deadline !== null && deadline <= now);
      if (isOver || now - since > renewalMs) this.pending.delete(key);
    }
    this.#notify();
  }

  #notify(): void {
    for (const listener of this.#listeners) listener();
  }
}

const answered = 'This was answered already, or is not needed any more.';

/** Why this transaction must not be signed, as a sentence for the person; null if it is what it claims to be. */
export function objectionTo({ purpose, transaction }: SignatureRequest): string | null {
  if (transaction === null) return null;
  if (wallets.unfit !== null) return wallets.unfit;
  const { account, overview } = wallets;
  const open = overview?.channels.filter(({ state }) => state === 'open') ?? [];
  const found = objection(transaction, purpose, {
    wallet: account?.address ?? '',
    program: overview?.program ?? '',
    chain: overview?.chain ?? '',
    now: overview?.now ?? 0,
    limit: BigInt(limitLamports()),
    depositLimit: BigInt(depositLimitLamports()),
    depositedIn: (channel, provider) => deposits.in(channel, provider),
    hasOpenChannel: (name) => open.some(({ provider }) => provider === name),
  });
  return found === null
    ? null
    : `Do not sign this: ${found}. The gateway’s transaction does not match its description.`;
}

async function waitingFor(name: string): Promise<readonly SignatureRequest[]> {
  const response = await request(`/qvac/wallets/${encodeURIComponent(name)}/requests`);
  const { requests } = (await response.json()) as { readonly requests: readonly Waiting[] };
  const now = Date.now();
  return requests.map(({ id, purpose, transaction, expiresInMs, deadlineInMs }) => ({
    key: `${purpose.kind}/${'channel' in purpose ? purpose.channel : ''}/${'job' in purpose ? purpose.job : ''}`,
    id,
    purpose,
    transaction: transaction === null ? null : bytesOf(transaction),
    chain: '',
    expiresAt: now + expiresInMs,
    deadline: deadlineInMs === null ? null : now + deadlineInMs,
  }));
}

export const signatureRequests = new SignatureRequests();
