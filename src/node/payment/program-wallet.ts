import { messageOf, QvacError } from '../../errors.ts';
import { escrowRules } from '../../escrow/constants.ts';
import type { Escrow } from '../../escrow/escrow.ts';
import { RefusedError } from '../../escrow/refusal.ts';
import { equalBytes, fromHex } from '../../lib/bytes.ts';
import { shortPeer } from '../../lib/names.ts';
import type { AbortOptions, JobId } from '../../lib/types.ts';
import { peerIdOf } from '../../proofs/signing.ts';
import { quotedLamports } from '../../protocol/messages/quote.ts';
import { type Pay, payFrom, type Quote } from '../../protocol/messages.ts';
import { recordsOf } from './chain-record.ts';
import { ChannelHold } from './channel/channel-hold.ts';
import type { WalletChannels } from './channel/channels.ts';
import type { ChannelPlace } from './channel/open-channel.ts';
import type {
  BrokenOff,
  ChainRecord,
  EscrowHold,
  EscrowWallet,
  LeftPayment,
  LockOrder,
  PlanLimits,
  PlannedPayment,
  RecordsOptions,
  Settlement,
} from './payments.ts';
import type { PendingPayment } from './pending-payment.ts';
import {
  SettlementService,
  type SettlementServiceComponents,
  type SettlementServiceInit,
} from './settlement-service.ts';

export interface ProgramWalletComponents extends SettlementServiceComponents {
  /** Null: every answer is paid from an account of its own. */
  readonly channels: WalletChannels | null;
  /** Keeps track of background work, which ends at `end`. */
  readonly run: (work: Promise<void>) => void;
  readonly end: AbortSignal;
}

/** Transaction fees of one job, with a margin, lamports. */
const feeReserve = 50_000n;

/**
 * How long the chain's provider records are cached, in ms: short, since a newly registered provider is missing from
 * them.
 */
const recordsLifeMs = 2_000;
/** How old they may be where that does, in ms. */
const oldRecordsLifeMs = 60_000;

const noDigest = new Uint8Array(32);
const nothingReceived: BrokenOff = { head: null, conflict: null, promptCount: 0, fault: null };

/** One wallet's payments into one escrow program. */
export class ProgramWallet implements EscrowWallet {
  readonly #components: ProgramWalletComponents;
  readonly #escrow: Escrow;
  readonly #wallet: Uint8Array;
  readonly #settlementService: SettlementService;
  #records: { readonly at: number; readonly byPeer: ReadonlyMap<string, ChainRecord> } | null = null;
  #reading: Promise<unknown> | null = null;

  constructor(components: ProgramWalletComponents, init: SettlementServiceInit) {
    const { escrow } = components;
    if (escrow.wallet === null) throw new RangeError('"escrow" expected a wallet, got none');
    this.#components = components;
    this.#escrow = escrow;
    this.#wallet = escrow.wallet;
    this.#settlementService = new SettlementService(components, init);
  }

  get channels(): WalletChannels | null {
    return this.#components.channels;
  }

  async records({ mayBeOld = false, signal }: RecordsOptions = {}): Promise<ReadonlyMap<string, ChainRecord>> {
    const ageMs = performance.now() - (this.#records?.at ?? Number.NEGATIVE_INFINITY);
    if (this.#records === null || ageMs >= (mayBeOld ? oldRecordsLifeMs : recordsLifeMs))
      return this.#readRecords({ signal });
    if (ageMs >= recordsLifeMs) this.#renewRecords();
    return this.#records.byPeer;
  }

  /** In the background; if it fails, the next reader that needs newer records is told. */
  #renewRecords(): void {
    this.#reading ??= this.#readRecords({ signal: this.#components.end })
      .catch(() => undefined)
      .finally(() => (this.#reading = null));
  }

  async #readRecords(options: AbortOptions): Promise<ReadonlyMap<string, ChainRecord>> {
    const now = performance.now();
    const [providers, chainNow] = await Promise.all([this.#escrow.providers(options), this.#escrow.now(options)]);
    const byPeer = recordsOf(providers, chainNow);
    this.#records = { at: now, byPeer };
    return byPeer;
  }

  refusal(pay: Pay): string | null {
    if (pay.chain !== this.#escrow.chain)
      return `it takes payment on another chain (${pay.chain}) than yours (${this.#escrow.chain})`;
    return equalBytes(pay.program, this.#escrow.program)
      ? null
      : 'it takes payment by another escrow program than yours';
  }

  async plan(
    quote: Quote,
    { maxTokens, maxPrice, place = null }: PlanLimits,
    options: AbortOptions = {},
  ): Promise<PlannedPayment> {
    const who = shortPeer(peerIdOf(quote.peer));
    const cannot = (why: string): QvacError =>
      new QvacError('E_ESCROW', `${who} cannot be paid: ${why}`, {
        hint: 'nothing was locked; list other providers: qvac peers',
      });
    if (quote.pay === null) throw cannot('its quote names no escrow');
    const refusal = this.refusal(quote.pay);
    if (refusal !== null) throw cannot(refusal);
    const amount = quotedLamports({ ...quote, maxTokens });
    if (amount > BigInt(maxPrice))
      throw new QvacError('E_TOO_DEAR', `${who} asks for up to ${amount} lamports, above ${maxPrice}`, {
        hint: 'raise --max-price',
        details: { priceLamports: amount.toString() },
      });
    if (place !== null) return planned(quote, place, amount);
    const [account, balance, rent] = await Promise.all([
      this.#escrow.provider(quote.pay.payee, options),
      this.#escrow.balance(this.#wallet, options),
      this.#escrow.rent(escrowRules.jobAccountBytes, options),
    ]);
    if (account === null || !equalBytes(account.peer, quote.peer))
      throw cannot('the payee that it names is not registered for this node');
    if (account.freeStake < escrowRules.slashMultiple * amount) throw cannot('its stake does not cover this job');
    const needed = amount + rent + feeReserve;
    if (balance < needed)
      throw new QvacError('E_FUNDS', `the wallet holds ${balance} lamports, ${needed} are needed for this answer`, {
        hint: 'qvac wallet fund, or a smaller --max-tokens',
      });
    const payment = { pay: payFrom.jobAccount, account: this.#wallet, amountLamports: amount };
    return { payment, reserveLamports: needed };
  }

  async lock(
    { jobId, offer, offerSigned, quote, place = null }: LockOrder,
    options: AbortOptions = {},
  ): Promise<EscrowHold> {
    const { channels, mayChallenge, logger } = this.#components;
    if (place !== null && channels !== null) {
      place.begin(jobId);
      const address = this.#escrow.channelAddress(offer.payment.account);
      const evidenceRent = (asking: AbortOptions): Promise<bigint> =>
        this.#escrow.rent(escrowRules.evidenceAccountBytes, asking);
      const parts = { channels, mayChallenge, evidenceRent, logger };
      return new ChannelHold(parts, place, this.#escrow.chain, address);
    }
    if (quote.pay === null) throw new RangeError('"quote" expected terms of payment, got none');
    const { journal } = this.#components;
    const authority = quote.pay.payee;
    const address = this.#escrow.jobAddress(this.#wallet, fromHex(jobId));
    const pending: PendingPayment = {
      address,
      client: this.#wallet,
      provider: authority,
      chain: this.#escrow.chain,
      amount: offer.payment.amountLamports,
      fees: 0n,
      at: Date.now(),
      intent: 'wait',
      head: null,
      conflict: null,
      promptCount: null,
      verdictDigest: noDigest,
    };
    await journal.write(jobId, pending);
    try {
      const { fee } = await this.#escrow.createJob({ authority, offer: offerSigned.body }, options);
      return this.#hold(jobId, { ...pending, fees: fee }, quote.peer);
    } catch (error) {
      // If the chain did not answer, the money may be locked.
      if (error instanceof QvacError && (error.code === 'E_ESCROW' || error.code === 'E_FUNDS'))
        await journal.remove(jobId);
      throw error;
    }
  }

  #hold(jobId: JobId, pending: PendingPayment, provider: Uint8Array): EscrowHold {
    const { address } = pending;
    const settle: EscrowHold['settle'] = async (result, options = {}) => {
      const settlement = await this.#settlementService.settle(jobId, pending, result, options);
      // A wallet that does not confirm leaves the payment to the provider, once the time for a rejection is over.
      const isDue = settlement.state === 'submitted' && result.assessment.result !== 'fail';
      if (settlement.state === 'confirmed' || isDue) this.channels?.paidByJob(provider);
      return settlement;
    };
    return {
      totals: null,
      release: async () => null,
      delivered: () => undefined,
      standing: this.#settlementService.unsettled(pending, null),
      window: (windowOptions = {}) => this.#settlementService.window(address, windowOptions),
      settle,
      abandon: (received = nothingReceived) => this.#abandon(jobId, pending, received),
    };
  }

  async resume(options: AbortOptions = {}): Promise<readonly LeftPayment[]> {
    const { journal } = this.#components;
    const left: LeftPayment[] = [];
    const now = await this.#escrow.now(options);
    for (const [jobId, pending] of await journal.read()) {
      if (pending.chain !== this.#escrow.chain || !equalBytes(pending.client, this.#wallet)) continue;
      const settlement = await this.#settlementService.resume(jobId, pending, now, options).catch((error: unknown) => {
        options.signal?.throwIfAborted();
        // A payment that the program refuses to settle must not block the others.
        if (!(error instanceof RefusedError)) throw error;
        return this.#settlementService.unsettled(pending, null);
      });
      left.push({ jobId, settlement, rejected: pending.intent === 'reject' });
    }
    return left;
  }

  #abandon(jobId: JobId, pending: PendingPayment, received: BrokenOff): Promise<Settlement | null> {
    const { end, logger, run } = this.#components;
    const work = this.#settlementService.abandon(jobId, pending, received, { signal: end }).catch((error: unknown) => {
      if (!end.aborted)
        logger.warn('a payment is not settled yet', {
          job: jobId,
          reason: messageOf(error),
        });
      return null;
    });
    run(work.then(() => undefined));
    return work;
  }
}

/** @throws QvacError E_ESCROW if the quote is not of the channel's provider */
function planned(
  { peer, pay }: Quote,
  { channel, amountLamports: most }: ChannelPlace,
  amount: bigint,
): PlannedPayment {
  const { provider, authority } = channel.terms;
  if (pay === null || !equalBytes(pay.payee, authority) || !equalBytes(peer, provider))
    throw new QvacError('E_ESCROW', 'the quote is not of the provider with which the channel is open');
  if (amount > most) throw new QvacError('E_ESCROW', `the quote asks for ${amount} lamports, the card for ${most}`);
  const payment = { pay: payFrom.channel, account: fromHex(channel.id), amountLamports: amount };
  return { payment, reserveLamports: amount };
}
