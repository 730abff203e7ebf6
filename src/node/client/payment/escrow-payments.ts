import { RefusedError, escrowRules } from '../../../escrow/escrow.ts';
import type { Escrow, JobAccount, JobOutcome } from '../../../escrow/escrow.ts';
import { termsOf } from '../../../escrow/terms.ts';
import { QvacError } from '../../../errors.ts';
import { delay } from '../../../lib/abort.ts';
import { equalBytes } from '../../../lib/bytes.ts';
import type { Logger } from '../../../lib/log.ts';
import type { AbortOptions, JobId } from '../../../lib/types.ts';
import type { Receipt } from '../../../proofs/receipt.ts';
import { peerIdOf } from '../../../proofs/signing.ts';
import type { Pay, Payment, Quote } from '../../../protocol/messages.ts';
import { priceLamports } from '../../../protocol/price.ts';
import { createJournal } from '../../home/journal.ts';
import type { Journal } from '../../home/journal.ts';
import { shortPeer } from '../../names.ts';
import { recordsOf } from './chain-record.ts';
import { lockedNoteForm } from './locked-note.ts';
import type { LockedNote } from './locked-note.ts';
import type { ChainRecord, CheckedAnswer, ClientPayments, LeftPayment, LockOrder, LockedPayment, Paying, Settlement } from './payments.ts';
import { slash } from './slash.ts';

export interface EscrowPaymentsComponents {
  /** Opens the escrow with the wallet that pays; called once, when a payment is first thought of. */
  readonly openEscrow: (options: AbortOptions) => Promise<Escrow>;
  readonly logger: Logger;
}

export interface EscrowPaymentsInit {
  /** Folder of what is locked and not settled. */
  readonly dir: string;
  /** How long an answer waits for its head on the chain, in ms. @default 30_000 */
  readonly submitMs?: number | undefined;
  /** How long `stop` waits for what was broken off to be given back, in ms. @default 2_000 */
  readonly stopMs?: number | undefined;
  /** Between two looks at what is left, for a process that lives long, in ms. @default null: once */
  readonly sweepMs?: number | null | undefined;
  /**
   * Whether an answer that passed is confirmed at once. Else its provider is paid when the time for a rejection is over:
   * for a wallet whose owner would have to sign for it. @default true
   */
  readonly confirms?: boolean | undefined;
  /** Hears of what was left and is settled now. */
  readonly onSettled?: ((left: LeftPayment) => void) | undefined;
}

/** Fees of the transactions of one job, and something to spare, lamports. */
const feeReserve = 50_000n;

/** How long what the chain says of all providers is taken from memory, in ms: short, since who has just registered is not in it. */
const recordsLifeMs = 2_000;

const nothing = { paid: 0n, refunded: 0n, burnt: 0n, compensation: 0n } as const;
const noDigest = new Uint8Array(32);

export function createEscrowPayments(components: EscrowPaymentsComponents, init: EscrowPaymentsInit): ClientPayments {
  const { openEscrow, logger } = components;
  const journal = createJournal(init.dir, lockedNoteForm, logger);
  const end = new AbortController();
  const tasks = new Set<Promise<void>>();
  let opening: Promise<Paying> | null = null;
  let timer: NodeJS.Timeout | null = null;
  const run = (work: Promise<void>): void => {
    tasks.add(work);
    void work.finally(() => tasks.delete(work));
  };
  function open(options: AbortOptions = {}): Promise<Paying> {
    opening ??= openEscrow(options).then((escrow) => new EscrowPaying({ escrow, journal, logger, run, end: end.signal }, { submitMs: init.submitMs ?? 30_000, confirms: init.confirms ?? true }));
    // Whoever waits for it learns of a failure; the next one tries again.
    opening.catch(() => (opening = null));
    return opening;
  }
  /** Never throws. */
  async function sweep(): Promise<void> {
    try {
      if ((await journal.read()).size === 0) return;
      const paying = await open({ signal: end.signal });
      for (const left of await paying.resume({ signal: end.signal })) if (left.settlement.dueAt === null) init.onSettled?.(left);
    } catch (error) {
      if (!end.signal.aborted) logger.warn('payments of earlier answers are not settled yet', { reason: error instanceof Error ? error.message : String(error) });
    }
  }
  return {
    open,
    async start() {
      run(sweep());
      const { sweepMs = null } = init;
      if (sweepMs !== null) timer ??= setInterval(() => run(sweep()), sweepMs).unref();
    },
    async stop() {
      if (timer !== null) clearInterval(timer);
      await Promise.race([Promise.allSettled(tasks), delay(init.stopMs ?? 2_000)]);
      end.abort(new Error('stopping'));
    },
  };
}

interface PayingParts {
  readonly escrow: Escrow;
  readonly journal: Journal<LockedNote>;
  readonly logger: Logger;
  /** Lets work go on that nobody waits for, until the end. */
  readonly run: (work: Promise<void>) => void;
  readonly end: AbortSignal;
}

class EscrowPaying implements Paying {
  readonly #escrow: Escrow;
  readonly #wallet: Uint8Array;
  readonly #logger: Logger;
  readonly #journal: Journal<LockedNote>;
  readonly #run: PayingParts['run'];
  readonly #end: AbortSignal;
  readonly #submitMs: number;
  readonly #confirms: boolean;
  #records: { readonly at: number; readonly byPeer: ReadonlyMap<string, ChainRecord> } | null = null;

  constructor({ escrow, journal, logger, run, end }: PayingParts, { submitMs, confirms }: { readonly submitMs: number; readonly confirms: boolean }) {
    if (escrow.wallet === null) throw new RangeError('"escrow" expected one with a wallet');
    this.#escrow = escrow;
    this.#wallet = escrow.wallet;
    this.#logger = logger;
    this.#journal = journal;
    this.#run = run;
    this.#end = end;
    this.#submitMs = submitMs;
    this.#confirms = confirms;
  }

  async records(options: AbortOptions = {}): Promise<ReadonlyMap<string, ChainRecord>> {
    const now = performance.now();
    if (this.#records !== null && now - this.#records.at < recordsLifeMs) return this.#records.byPeer;
    const byPeer = recordsOf(await this.#escrow.providers(options));
    this.#records = { at: now, byPeer };
    return byPeer;
  }

  refusal(pay: Pay): string | null {
    if (pay.chain !== this.#escrow.chain) return `it is paid on another chain (${pay.chain}) than yours (${this.#escrow.chain})`;
    return equalBytes(pay.program, this.#escrow.program) ? null : 'it is paid into another program than yours';
  }

  async plan(quote: Quote, { maxTokens, maxPrice }: { readonly maxTokens: number; readonly maxPrice: number }, options: AbortOptions = {}): Promise<Payment> {
    const who = shortPeer(peerIdOf(quote.peer));
    const cannot = (why: string): QvacError => new QvacError('E_ESCROW', `${who} cannot be paid: ${why}`, { hint: 'nothing was locked; qvac peers shows who else is there' });
    if (quote.pay === null) throw cannot('its quote does not say where');
    const refusal = this.refusal(quote.pay);
    if (refusal !== null) throw cannot(refusal);
    const amount = priceLamports({ promptCount: quote.promptTokens, n: maxTokens, priceIn: quote.priceIn, priceOut: quote.priceOut });
    if (amount > BigInt(maxPrice)) throw new QvacError('E_TOO_DEAR', `${who} asks for up to ${amount} lamports, above ${maxPrice}`, { hint: 'raise --max-price', details: { priceLamports: amount.toString() } });
    const [account, balance, rent] = await Promise.all([this.#escrow.provider(quote.pay.payee, options), this.#escrow.balance(this.#wallet, options), this.#escrow.rent(escrowRules.jobAccountBytes, options)]);
    if (account === null || !equalBytes(account.peer, quote.peer)) throw cannot('whom it names is not registered for this node');
    if (!account.active || account.freeStake < escrowRules.slashMultiple * amount) throw cannot('its stake does not cover this job');
    const needed = amount + rent + feeReserve;
    if (balance < needed) throw new QvacError('E_FUNDS', `the wallet holds ${balance} lamports, ${needed} are needed for this answer`, { hint: 'qvac wallet fund, or a smaller --max-tokens' });
    return { chain: quote.pay.chain, program: quote.pay.program, payer: this.#wallet, amount: Number(amount) };
  }

  async lock({ jobId, offer, offerSigned, quote }: LockOrder, options: AbortOptions = {}): Promise<LockedPayment> {
    if (quote.pay === null) throw new RangeError('"quote" expected one that says where it is paid');
    const terms = termsOf(offer, offerSigned.body, quote);
    const authority = quote.pay.payee;
    const address = this.#escrow.jobAddress(this.#wallet, terms.jobId);
    const note: LockedNote = { address, client: this.#wallet, provider: authority, chain: this.#escrow.chain, amount: terms.amount, intent: 'wait', head: null, verdictDigest: noDigest };
    await this.#journal.write(jobId, note);
    try {
      await this.#escrow.createJob({ authority, terms }, options);
    } catch (error) {
      // Where the chain did not answer, it may have taken it.
      if (error instanceof QvacError && (error.code === 'E_ESCROW' || error.code === 'E_FUNDS')) await this.#journal.remove(jobId);
      throw error;
    }
    return {
      settle: (result, settling = {}) => this.#settle(jobId, note, result, settling),
      abandon: () => this.#abandon(jobId, note),
    };
  }

  async resume(options: AbortOptions = {}): Promise<readonly LeftPayment[]> {
    const left: LeftPayment[] = [];
    const now = await this.#escrow.now(options);
    for (const [jobId, note] of await this.#journal.read()) {
      if (note.chain !== this.#escrow.chain || !equalBytes(note.client, this.#wallet)) continue;
      const settlement = await this.#attend(jobId, note, now, options).catch((error: unknown) => {
        options.signal?.throwIfAborted();
        // One that the program refuses must not keep the others.
        if (!(error instanceof RefusedError)) throw error;
        return this.#waiting(note, null);
      });
      left.push({ jobId, settlement });
    }
    return left;
  }

  /** What can be done about one note now. */
  async #attend(jobId: JobId, note: LockedNote, now: number, options: AbortOptions): Promise<Settlement> {
    const job = await this.#escrow.job(note.address, options);
    if (job === null) return this.#concluded(jobId, note, options);
    if (job.submitted === null) {
      if (now < job.refundAt) return this.#waiting(note, job);
      return this.#act(jobId, note, async () => ({ state: 'refunded', ...nothing, refunded: job.amount, ...(await this.#escrow.refundJob(job, options)) }));
    }
    if (note.intent === 'wait' || (note.intent === 'reject' && now >= job.submitted.claimAt)) return this.#waiting(note, job);
    return this.#close(jobId, note, job, null, options);
  }

  async #settle(jobId: JobId, locked: LockedNote, { receipt, assessment, verdictDigest }: CheckedAnswer, options: AbortOptions): Promise<Settlement> {
    const note: LockedNote = { ...locked, intent: assessment.result === 'fail' ? 'reject' : 'confirm', head: receipt.heads[0] ?? null, verdictDigest };
    try {
      await this.#journal.write(jobId, note);
      const limit = AbortSignal.timeout(this.#submitMs);
      const signal = AbortSignal.any([limit, ...(options.signal === undefined ? [] : [options.signal])]);
      const job = await this.#escrow.waitForJob(note.address, (seen) => seen === null || seen.submitted !== null, { signal }).catch((error: unknown) => {
        if (limit.aborted) return this.#escrow.job(note.address);
        throw error;
      });
      if (job === null) return await this.#concluded(jobId, note, options);
      if (job.submitted === null) return this.#waiting(note, job);
      return await this.#close(jobId, note, job, receipt, options);
    } catch (error) {
      this.#logger.warn('a payment is settled later', { job: jobId, reason: error instanceof Error ? error.message : String(error) });
      return this.#waiting(note, null);
    }
  }

  /** Of a submitted job: confirms or rejects as the note says, or slashes where the chain can be shown why. */
  async #close(jobId: JobId, note: LockedNote, job: JobAccount, receipt: Receipt | null, options: AbortOptions): Promise<Settlement> {
    const { submitted } = job;
    if (submitted === null) return this.#waiting(note, job);
    const proof = await slash(this.#escrow, job, { head: note.head, receipt: note.intent === 'reject' ? receipt : null }, options);
    if (proof !== null) return this.#act(jobId, note, async () => ({ state: 'slashed', ...nothing, refunded: job.amount, compensation: job.amount, ...proof }));
    const split = { payout: submitted.payout, refunded: job.amount - submitted.payout };
    // What has no token was not worth more than the prompt's price, and that was served.
    const unread = note.head === null && submitted.tokenCount > 0;
    const good = note.intent === 'confirm' || (note.head === null && !unread);
    if (good && !this.#confirms) {
      // The provider sees to it itself.
      await this.#journal.remove(jobId);
      return { ...this.#waiting(note, job), paid: split.payout, refunded: split.refunded };
    }
    if (good) return this.#act(jobId, note, async () => ({ state: 'confirmed', ...nothing, paid: split.payout, refunded: split.refunded, ...(await this.#escrow.confirmJob(job, options)) }));
    return this.#act(jobId, note, async () => ({ state: 'rejected', ...nothing, burnt: split.payout, refunded: split.refunded, ...(await this.#escrow.rejectJob(job, note.verdictDigest, options)) }));
  }

  /** Settled by what `run` sends; where somebody else was quicker, as the chain says. */
  async #act(jobId: JobId, note: LockedNote, run: () => Promise<Pick<Settlement, 'state' | 'paid' | 'refunded' | 'burnt' | 'compensation' | 'signature'>>): Promise<Settlement> {
    try {
      const { state, paid, refunded, burnt, compensation, signature } = await run();
      await this.#journal.remove(jobId);
      return { ...this.#base(note), state, paid, refunded, burnt, compensation, signature, dueAt: null };
    } catch (error) {
      if (error instanceof RefusedError && error.refusal === 'NoAccount') return this.#concluded(jobId, note, {});
      throw error;
    }
  }

  async #concluded(jobId: JobId, note: LockedNote, options: AbortOptions): Promise<Settlement> {
    const outcome = await this.#escrow.outcome(note.address, options);
    await this.#journal.remove(jobId);
    return { ...this.#base(note), ...amountsOf(outcome), state: outcome?.how ?? 'gone', signature: outcome?.signature ?? null, dueAt: null };
  }

  #waiting(note: LockedNote, job: JobAccount | null): Settlement {
    const submitted = job?.submitted ?? null;
    return { ...this.#base(note), ...nothing, state: submitted === null ? 'open' : 'submitted', signature: null, dueAt: submitted?.claimAt ?? job?.refundAt ?? null };
  }

  #base({ chain, address, amount }: LockedNote): Pick<Settlement, 'chain' | 'account' | 'locked'> {
    return { chain, account: address, locked: amount };
  }

  #abandon(jobId: JobId, note: LockedNote): Promise<Settlement | null> {
    const work = this.#giveUp(jobId, { ...note, intent: 'reject' }).catch((error: unknown) => {
      if (!this.#end.aborted) this.#logger.warn('a payment is looked after later', { job: jobId, reason: error instanceof Error ? error.message : String(error) });
      return null;
    });
    this.#run(work.then(() => undefined));
    return work;
  }

  /** Waits for the provider to decline, or to submit what was never received. */
  async #giveUp(jobId: JobId, note: LockedNote): Promise<Settlement> {
    await this.#journal.write(jobId, note);
    const job = await this.#escrow.waitForJob(note.address, (seen) => seen === null || seen.submitted !== null, { signal: this.#end });
    return job === null ? this.#concluded(jobId, note, {}) : this.#close(jobId, note, job, null, {});
  }
}

function amountsOf(outcome: JobOutcome | null): Pick<Settlement, 'paid' | 'refunded' | 'burnt' | 'compensation'> {
  if (outcome === null) return nothing;
  const { paid, refunded, burnt, compensation } = outcome;
  return { paid, refunded, burnt, compensation };
}
