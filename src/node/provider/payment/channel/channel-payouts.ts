import { messageOf } from '../../../../errors.ts';
import type { ChannelAccount } from '../../../../escrow/accounts.ts';
import type { Escrow } from '../../../../escrow/escrow.ts';
import { anySignal, raceSignal } from '../../../../lib/abort.ts';
import { equalBytes, fromHex } from '../../../../lib/bytes.ts';
import type { Clock, Timer } from '../../../../lib/clock.ts';
import type { Logger } from '../../../../lib/log.ts';
import type { AbortOptions, ChannelId } from '../../../../lib/types.ts';
import { type SigningKey, verifyBody } from '../../../../proofs/signing.ts';
import { MalformedError } from '../../../../protocol/codec.ts';
import { channelIdHex, jobIdHex } from '../../../../protocol/digests.ts';
import { type Ack, ackStop, kinds, type Signed } from '../../../../protocol/messages.ts';
import { decodeAck } from '../../../../protocol/validate.ts';
import type { Journal } from '../../../home/journal.ts';
import { OfferRefusal } from '../../refusal.ts';
import type { ChallengeAnswers } from '../challenge-answers.ts';
import type { AdmittedOrder, ChannelNews, PaidJob, Proposal, ProviderChannels } from '../payouts.ts';
import type { StakeLedger } from '../stake-ledger.ts';
import type { StepFiles } from '../step-files.ts';
import { ChannelSettler } from './channel-settler.ts';
import {
  expiryMarginMs,
  forgetTermsMs,
  maxChannels,
  maxChannelsOfClient,
  openingWaitMs,
  roomWaitMs,
} from './constants.ts';
import { type KeptChannel, openKeptChannels } from './kept-channel.ts';
import { ServedChannel } from './served-channel.ts';
import { SignedTerms } from './signed-terms.ts';

export interface ChannelPayoutsComponents {
  /** With the wallet of this provider's authority. */
  readonly escrow: Escrow & { readonly wallet: Uint8Array };
  /** The node's. */
  readonly key: SigningKey;
  readonly stake: StakeLedger;
  readonly steps: StepFiles;
  readonly challenges: ChallengeAnswers;
  readonly clock: Clock;
  readonly timer: Pick<Timer, 'now'>;
  readonly logger: Logger;
}

export interface ChannelPayoutsInit {
  /** Folder of the channels that have not ended. */
  readonly dir: string;
  readonly onNews: (news: ChannelNews) => void;
  /** Ends all waiting. */
  readonly end: AbortSignal;
}

const nothingKept: KeptChannel = { terms: null, committed: null, released: null, closing: null };

/** Offers that wait for their channel at once: each polls the chain, and costs its client nothing. */
const maxWaiting = 16;

/** The channels that this provider is paid from: signs terms, takes jobs and totals, and looks after the accounts. */
export class ChannelPayouts implements ProviderChannels {
  readonly #components: ChannelPayoutsComponents;
  readonly #init: ChannelPayoutsInit;
  readonly #journal: Journal<KeptChannel, ChannelId>;
  readonly #terms: SignedTerms;
  readonly #settler: ChannelSettler;
  readonly #channels = new Map<ChannelId, ServedChannel>();
  /** Of earlier processes, and not seen on the chain yet. */
  #recalled = new Map<ChannelId, KeptChannel>();
  /** Ended since the last sweep began, whose list of accounts may be older. */
  readonly #ended = new Set<ChannelId>();
  /** What the chain's time is ahead of this machine's, ms. */
  #aheadMs = 0;
  #waiting = 0;
  #hasLooked = false;

  constructor(components: ChannelPayoutsComponents, init: ChannelPayoutsInit) {
    const { escrow, key, stake, logger } = components;
    this.#components = components;
    this.#init = init;
    this.#journal = openKeptChannels(init.dir, logger);
    this.#terms = new SignedTerms({ escrow, authority: escrow.wallet, key, stake, journal: this.#journal });
    this.#settler = new ChannelSettler({ escrow, onNews: init.onNews });
  }

  async recall(): Promise<void> {
    this.#recalled = new Map(await this.#journal.read());
    for (const [channel, { terms }] of this.#recalled) if (terms !== null) this.#terms.recall(channel, terms);
  }

  async propose(proposal: Proposal, client: Uint8Array): Promise<Signed> {
    const channels = [...this.#channels.values()];
    const own = channels.filter(({ account }) => equalBytes(account.clientPeer, client)).length;
    if (own >= maxChannelsOfClient)
      throw new OfferRefusal('bad-offer', `this node has ${own} open channels here already`);
    if (channels.length >= maxChannels) throw new OfferRefusal('busy', 'too many channels are open');
    const locked = channels.reduce((sum, { account }) => sum + account.stakeAtRisk, 0n);
    return this.#terms.sign(proposal, client, locked);
  }

  async acknowledge(signed: Signed, client: Uint8Array): Promise<void> {
    const ack = decoded(signed, client);
    const channel = await this.#find(ack.account, {});
    if (channel === null || !equalBytes(channel.account.clientPeer, client))
      throw new OfferRefusal('bad-offer', 'no open channel of this node has that id');
    const refusal = channel.totalsRefusal(ack);
    if (refusal !== null) throw new OfferRefusal('bad-offer', refusal);
    await channel.takeTotals(ack, signed);
    // Not awaited: the client need not wait for the chain.
    if (ack.stop === ackStop.noObjection) void this.#lookAfter(channel);
  }

  async secure(order: AdmittedOrder, { signal }: AbortOptions): Promise<PaidJob> {
    const { escrow, key } = this.#components;
    const { client, payment, terms } = order.offer;
    const channel = await this.#find(payment.account, { signal });
    if (channel === null) throw new OfferRefusal('bad-offer', 'the channel is not on the chain');
    const { account } = channel;
    const isOurs = equalBytes(account.provider, escrow.wallet) && equalBytes(account.peer, key.publicKey);
    if (!isOurs || !equalBytes(account.clientPeer, client))
      throw new OfferRefusal('bad-offer', 'the channel is between other nodes');
    const leftMs = account.expiresAt - expiryMarginMs - this.#chainNow();
    if (leftMs < terms.deliverWithinS * 1_000)
      throw new OfferRefusal('bad-offer', 'the channel expires before the answer has to be delivered');
    await this.#awaitRoom(channel, order, { signal });
    return channel.serve(order, AbortSignal.timeout(terms.deliverWithinS * 1_000));
  }

  /** Looks after every channel of this provider, those of earlier processes included. @throws QvacError E_CHAIN */
  async sweep(): Promise<void> {
    const { escrow } = this.#components;
    const isNeeded = this.#channels.size > 0 || this.#terms.size > 0 || this.#recalled.size > 0 || !this.#hasLooked;
    if (!isNeeded) return;
    const { end: signal } = this.#init;
    this.#ended.clear();
    const [accounts, now] = await Promise.all([
      escrow.channels({ provider: escrow.wallet }, { signal }),
      escrow.now({ signal }),
    ]);
    this.#hasLooked = true;
    this.#aheadMs = now - this.#components.clock.now();
    const open = new Set(accounts.map(({ id }) => channelIdHex(id)));
    for (const account of accounts) {
      if (this.#init.end.aborted) return;
      if (!this.#ended.has(channelIdHex(account.id))) await this.#lookAfter(this.#seen(account));
    }
    for (const channel of this.#channels.values()) if (!open.has(channel.id)) await this.#concludeIfGone(channel);
    for (const id of this.#terms.endedBefore(now - forgetTermsMs)) await this.#forgetTerms(id);
    for (const id of this.#recalled.keys()) if (this.#terms.get(id) === null) await this.#concludeRecalled(id);
  }

  /** Before the process ends: what is due is paid out. */
  async settleAll(): Promise<void> {
    for (const channel of this.#channels.values())
      await this.#settler.settle(channel).catch((error: unknown) => this.#failed(channel, error));
  }

  /** The channel with this id, if the chain has it or soon does: a client offers right after it opened. */
  async #find(id: Uint8Array, { signal }: AbortOptions): Promise<ServedChannel | null> {
    const known = this.#channels.get(channelIdHex(id));
    if (known !== undefined) return known;
    const { escrow } = this.#components;
    const address = escrow.channelAddress(id);
    const account = (await escrow.channel(address, { signal })) ?? (await this.#awaitOpening(id, address, signal));
    const isOurs = account !== null && equalBytes(account.provider, escrow.wallet);
    return isOurs ? this.#seen(account) : null;
  }

  /** Resolves right before the job is to be served. @throws OfferRefusal if the channel does not take it */
  async #awaitRoom(channel: ServedChannel, order: AdmittedOrder, { signal }: AbortOptions): Promise<void> {
    // It may have been topped up.
    if (channel.jobRefusal(order)?.isDeposit === true) await this.#refresh(channel);
    const limit = anySignal(AbortSignal.timeout(roomWaitMs), this.#init.end, signal);
    for (;;) {
      const refusal = channel.jobRefusal(order);
      if (refusal === null) return;
      if (refusal.isDeposit || limit.aborted) throw new OfferRefusal('bad-offer', refusal.why);
      await raceSignal(channel.changed(), limit).catch(() => undefined);
      signal?.throwIfAborted();
    }
  }

  /** Only for terms that this node signed: nobody else can make it wait. */
  async #awaitOpening(
    id: Uint8Array,
    address: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<ChannelAccount | null> {
    if (this.#terms.get(channelIdHex(id)) === null || this.#waiting >= maxWaiting) return null;
    const limit = AbortSignal.timeout(openingWaitMs);
    this.#waiting++;
    try {
      return await this.#components.escrow.waitForChannel(address, (channel) => channel !== null, {
        signal: anySignal(limit, this.#init.end, signal),
      });
    } catch (error) {
      signal?.throwIfAborted();
      if (!limit.aborted) throw error;
      return null;
    } finally {
      this.#waiting--;
    }
  }

  /** Takes note of an account. */
  #seen(account: ChannelAccount): ServedChannel {
    const { steps, timer } = this.#components;
    const id = channelIdHex(account.id);
    const known = this.#channels.get(id);
    if (known !== undefined) {
      known.seen(account);
      return known;
    }
    const terms = this.#terms.get(id);
    const kept = this.#recalled.get(id) ?? { ...nothingKept, terms };
    const channel = new ServedChannel({ journal: this.#journal, timer, steps }, id, account, kept);
    this.#channels.set(id, channel);
    this.#recalled.delete(id);
    this.#terms.forget(id);
    this.#init.onNews({ channel: id, state: 'opened', lamports: 0n });
    return channel;
  }

  async #refresh(channel: ServedChannel): Promise<void> {
    const account = await this.#components.escrow.channel(channel.account.address, { signal: this.#init.end });
    if (account !== null) channel.seen(account);
  }

  async #lookAfter(channel: ServedChannel): Promise<void> {
    if (channel.isHandled) return;
    channel.isHandled = true;
    try {
      await this.#components.challenges.answerChannel(channel.account);
      if (await this.#settler.handle(channel, this.#chainNow())) await this.#concludeIfGone(channel);
      else await this.#refresh(channel);
    } catch (error) {
      this.#failed(channel, error);
    } finally {
      channel.isHandled = false;
    }
  }

  /** A list may be older than a single look. */
  async #concludeIfGone(channel: ServedChannel): Promise<void> {
    const { escrow } = this.#components;
    if ((await escrow.channel(channel.account.address, { signal: this.#init.end })) !== null) return;
    // An acknowledgement and the sweep may both see its end: it is reported once.
    if (!this.#channels.delete(channel.id)) return;
    this.#ended.add(channel.id);
    channel.end();
    await this.#conclude(channel.id, { settled: channel.account.settled, wasOpen: true });
  }

  async #concludeRecalled(id: ChannelId): Promise<void> {
    const { escrow } = this.#components;
    if ((await escrow.channel(escrow.channelAddress(fromHex(id)))) !== null) return;
    const recalled = this.#recalled.get(id);
    // An offer has taken it up meanwhile.
    if (recalled === undefined) return;
    this.#recalled.delete(id);
    await this.#conclude(id, { settled: 0n, wasOpen: recalled.committed !== null });
  }

  /** @param settled what was paid out of it before, and reported */
  async #conclude(
    id: ChannelId,
    { settled, wasOpen }: { readonly settled: bigint; readonly wasOpen: boolean },
  ): Promise<void> {
    const { escrow, steps } = this.#components;
    const outcome = await escrow.channelOutcome(escrow.channelAddress(fromHex(id)));
    await this.#journal.remove(id);
    await steps.remove(id);
    const lamports = outcome === null ? 0n : outcome.paid - settled;
    // Terms that were never opened are no news.
    if (outcome === null && !wasOpen) return;
    this.#init.onNews({ channel: id, state: outcome?.how ?? 'gone', lamports: lamports > 0n ? lamports : 0n });
  }

  /** Terms that were not opened in time, or were opened and closed while this provider was away. */
  async #forgetTerms(id: ChannelId): Promise<void> {
    this.#terms.forget(id);
    if (!this.#recalled.has(id)) await this.#journal.remove(id);
  }

  #chainNow(): number {
    return this.#components.clock.now() + this.#aheadMs;
  }

  #failed(channel: ServedChannel, error: unknown): void {
    if (this.#init.end.aborted) return;
    this.#components.logger.warn('a channel is not settled yet', { channel: channel.id, reason: messageOf(error) });
  }
}

/** @throws OfferRefusal if the client did not sign it */
function decoded(signed: Signed, client: Uint8Array): Ack {
  try {
    const ack = decodeAck(signed.body);
    const isJob = ack.stop !== ackStop.noObjection;
    if (verifyBody(client, kinds.ack, isJob ? jobIdHex(ack.jobId) : null, signed)) return ack;
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
    throw new OfferRefusal('bad-offer', `the acknowledgement is malformed: ${error.message}`);
  }
  throw new OfferRefusal('bad-offer', 'the acknowledgement’s signature is invalid');
}
