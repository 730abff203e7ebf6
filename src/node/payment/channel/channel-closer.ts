import { messageOf, QvacError } from '../../../errors.ts';
import type { ChannelAccount, ChannelOutcome, EvidenceAccount } from '../../../escrow/accounts.ts';
import type { Escrow, Executed } from '../../../escrow/escrow.ts';
import { RefusedError } from '../../../escrow/refusal.ts';
import { equalBytes, fromHex } from '../../../lib/bytes.ts';
import type { Logger } from '../../../lib/log.ts';
import type { AbortOptions, JobId, PeerIdString } from '../../../lib/types.ts';
import { fraudulentStep } from '../../../proofs/checks/fraud.ts';
import type { Receipt } from '../../../proofs/receipt.ts';
import { signBody } from '../../../proofs/signing.ts';
import { sha256 } from '../../../protocol/digests.ts';
import { ackStop, kinds, type Signed } from '../../../protocol/messages.ts';
import { decodeVerdict, encodeAck } from '../../../protocol/validate.ts';
import type { Peer } from '../../peer/peer.ts';
import { pursueChallenge } from '../chain-challenge.ts';
import { conflictOf, slash } from '../dispute.ts';
import { forgetTermsMs, togetherMs } from './constants.ts';
import { sendTotals } from './frames.ts';
import type { OpenChannel } from './open-channel.ts';

export interface ChannelCloserComponents {
  readonly escrow: Escrow;
  /** This client's node. */
  readonly peer: Peer;
  /** Finds the addresses of a provider. */
  readonly reach: (provider: PeerIdString, options: AbortOptions) => Promise<unknown>;
  /** The receipt that was kept of an answer, or null. */
  readonly receiptOf: (jobId: JobId) => Promise<Receipt | null>;
  readonly logger: Logger;
}

/** The chain compares whole seconds, and closes a channel only after the last one of its terms. */
const closingSkewMs = 1_000;

/** Where a channel is on its way to its end. */
export type ClosingStep =
  | { readonly kind: 'waiting'; readonly isRequested: boolean; readonly at: number | null }
  | { readonly kind: 'ended'; readonly outcome: ChannelOutcome | null; readonly wasOpen: boolean };

/**
 * Brings channels to their end: together with the provider, else by the chain, which waits five hours for the other
 * side's objections. Each step can be repeated by a later process.
 */
export class ChannelCloser {
  readonly #components: ChannelCloserComponents;

  constructor(components: ChannelCloserComponents) {
    this.#components = components;
  }

  /**
   * Does what can be done now.
   * @param now unix ms of the chain
   * @throws QvacError E_BUSY while answers are paid from it, E_CHAIN, E_FUNDS, E_HOME
   */
  async step(channel: OpenChannel, now: number, options: AbortOptions): Promise<ClosingStep> {
    const { escrow } = this.#components;
    const address = escrow.channelAddress(fromHex(channel.id));
    const account = await escrow.channel(address, options);
    // In the same turn as it begins to close, after which it takes no further answer.
    if (channel.isBusy)
      throw new QvacError('E_BUSY', `answers are paid from channel ${channel.id.slice(0, 8)} now`, {
        hint: 'try again once they have ended',
      });
    if (account === null) return this.#concluded(channel, address, now, options);
    if (channel.kept.phase !== 'closing') await channel.change({ phase: 'closing', closingAt: now });
    await this.decide(channel);
    const objection =
      (await this.#prove(channel, account, now, options)) ?? (await this.#challenge(channel, account, options));
    if (objection !== null) return objection;
    if (account.closing !== null) return this.#finish(channel, account, now, options);
    const isTogether = !channel.hasFailed && now < channel.kept.closingAt + togetherMs;
    if (isTogether) return this.#together(channel, account, options);
    // The terms must not be opened a second time.
    const mayCloseAt = account.validUntil + closingSkewMs;
    if (now < mayCloseAt) return { kind: 'waiting', isRequested: false, at: mayCloseAt };
    await this.#send(channel, () => escrow.requestCloseChannel(account, options));
    const closing = await escrow.channel(address, options);
    return closing?.closing == null
      ? this.#concluded(channel, address, now, options)
      : this.#finish(channel, closing, now, options);
  }

  /**
   * Concludes the answers whose process ended before it released them: their verdict decides, if they have one.
   * @param opened an answer that passes whatever its verdict, since the provider opened it on the chain
   * @throws QvacError E_HOME
   */
  async decide(channel: OpenChannel, opened: JobId | null = null): Promise<void> {
    for (const { jobId, committedLamports } of channel.kept.jobs.filter(({ failed }) => failed === null)) {
      const receipt = await this.#components.receiptOf(jobId);
      // The client's own verdict comes last, after those of auditors.
      const verdict = receipt?.verdicts.at(-1) ?? null;
      const hasFailed = verdict !== null && jobId !== opened && decodeVerdict(verdict.body).result === 'fail';
      const place = channel.reserve(committedLamports);
      place.begin(jobId);
      await place.commit(committedLamports).kept;
      await place.conclude(hasFailed ? sha256(verdict.body) : null);
    }
  }

  /** Tells the provider the totals that it missed. Never throws. @returns whether it knows them */
  async tell(channel: OpenChannel, options: AbortOptions): Promise<boolean> {
    const { peer, logger } = this.#components;
    const jobId = channel.kept.untold;
    if (jobId === null) return true;
    const ack = { version: 1, jobId: fromHex(jobId), n: 0, stop: ackStop.goOn, account: fromHex(channel.id) } as const;
    const signed = signBody(peer.key, kinds.ack, jobId, encodeAck({ ...ack, ...channel.totals }));
    try {
      await sendTotals(peer, channel.provider, signed, options);
      channel.told(jobId, true);
      return true;
    } catch (error) {
      logger.debug('a provider did not take the totals', { channel: channel.id, reason: messageOf(error) });
      return false;
    }
  }

  /** Slashes the provider with a failed answer whose fraud the program can see; null if there is none. */
  async #prove(
    channel: OpenChannel,
    account: ChannelAccount,
    now: number,
    options: AbortOptions,
  ): Promise<ClosingStep | null> {
    const { escrow, receiptOf } = this.#components;
    for (const { jobId, failed } of channel.kept.jobs) {
      const receipt = failed === null ? null : await receiptOf(jobId);
      if (receipt === null || (conflictOf(receipt) === null && fraudulentStep(receipt) === null)) continue;
      // Slashing closes the channel, too, and the terms must not be opened a second time.
      const mayCloseAt = account.validUntil + closingSkewMs;
      if (now < mayCloseAt) return { kind: 'waiting', isRequested: false, at: mayCloseAt };
      const evidence = await this.#evidenceOf(channel, account, jobId, options);
      if (evidence === null) continue;
      const subject = { evidence, channel: account };
      const executed = await slash(escrow, subject, { head: null, receipt }, options);
      if (executed === null) continue;
      await channel.change({ fees: channel.kept.fees + executed.fee });
      return this.#ended(account.address, options);
    }
    return null;
  }

  /** Challenges an answer that was not opened; null if there is none, or its challenge is over. */
  async #challenge(channel: OpenChannel, account: ChannelAccount, options: AbortOptions): Promise<ClosingStep | null> {
    const job = channel.kept.jobs.find(({ isChallenged }) => isChallenged);
    if (job === undefined) return null;
    const { escrow, logger } = this.#components;
    try {
      const evidence = await this.#evidenceOf(channel, account, job.jobId, options);
      if (evidence === null) return null;
      const pursuit = await pursueChallenge(escrow, { evidence, channel: account }, evidence.delivery, options);
      if (pursuit.kind === 'answered') {
        // It was opened after all: what was acknowledged is the provider's.
        await channel.challenged(job.jobId, { isChallenged: false, failed: null });
        await this.decide(channel, job.jobId);
        return null;
      }
      if ('executed' in pursuit) await channel.change({ fees: channel.kept.fees + pursuit.executed.fee });
      if (pursuit.kind === 'slashed') return this.#ended(account.address, options);
      const dueAt = evidence.delivery.challenge?.dueAt ?? null;
      return { kind: 'waiting', isRequested: false, at: dueAt };
    } catch (error) {
      if (!(error instanceof RefusedError) || error.refusal === 'NoAccount') throw error;
      logger.warn('an answer could not be challenged on the chain', { job: job.jobId, reason: error.message });
      await channel.challenged(job.jobId, { isChallenged: false });
      return null;
    }
  }

  /** The account that keeps the answer for proofs, made if there is none; null without a receipt. */
  async #evidenceOf(
    channel: OpenChannel,
    account: ChannelAccount,
    jobId: JobId,
    options: AbortOptions,
  ): Promise<EvidenceAccount | null> {
    const { escrow, receiptOf } = this.#components;
    const address = escrow.evidenceAddress(account.address, fromHex(jobId));
    const kept = await escrow.evidence(address, options);
    if (kept !== null) return kept;
    const receipt = await receiptOf(jobId);
    const head = receipt?.heads[0];
    if (receipt === null || head === undefined) return null;
    // Before it holds rent: a later process gets that back.
    await channel.change({ hasEvidence: true });
    await this.#send(channel, () => escrow.createEvidence(account, { offer: receipt.offer.body, head }, options));
    return escrow.evidence(address, options);
  }

  /** Gets the rent of the channel's evidence back, once it has ended. @throws QvacError E_CHAIN, E_FUNDS */
  async clear(channel: OpenChannel, options: AbortOptions): Promise<void> {
    const { escrow } = this.#components;
    const address = escrow.channelAddress(fromHex(channel.id));
    for (const evidence of await escrow.evidences({ channel: address }, options))
      if (equalBytes(evidence.rentPayer, escrow.wallet ?? new Uint8Array()))
        await this.#send(channel, () => escrow.closeEvidence(evidence, options));
  }

  async #ended(address: Uint8Array, options: AbortOptions): Promise<ClosingStep> {
    const outcome = await this.#components.escrow.channelOutcome(address, options);
    return { kind: 'ended', outcome, wasOpen: true };
  }

  async #together(channel: OpenChannel, account: ChannelAccount, options: AbortOptions): Promise<ClosingStep> {
    const { peer, reach, escrow, logger } = this.#components;
    try {
      await peer.learn(channel.provider, channel.kept.addrs);
      await reach(channel.provider, options);
      await sendTotals(peer, channel.provider, this.#noObjection(channel), options);
    } catch (error) {
      options.signal?.throwIfAborted();
      logger.debug('a provider does not close its channel', { channel: channel.id, reason: messageOf(error) });
      return { kind: 'waiting', isRequested: false, at: channel.kept.closingAt + togetherMs };
    }
    const seen = await escrow.channel(account.address, options);
    if (seen === null) return this.#ended(account.address, options);
    return { kind: 'waiting', isRequested: false, at: Math.max(account.validUntil, channel.kept.closingAt) };
  }

  #noObjection({ id, totals }: OpenChannel): Signed {
    const { key } = this.#components.peer;
    const base = { version: 1, jobId: new Uint8Array(32), n: 0, stop: ackStop.noObjection } as const;
    return signBody(key, kinds.ack, null, encodeAck({ ...base, account: fromHex(id), ...totals }));
  }

  /** The chain closes it: objects if an answer failed, and ends it once the time for that is over. */
  async #finish(
    channel: OpenChannel,
    account: ChannelAccount,
    now: number,
    options: AbortOptions,
  ): Promise<ClosingStep> {
    const { escrow } = this.#components;
    const { closing, challengesOpen } = account;
    if (closing === null) return { kind: 'waiting', isRequested: false, at: null };
    const failed = channel.kept.jobs.find((job) => job.failed !== null)?.failed ?? null;
    if (failed !== null && !closing.rejected && now < closing.finishAt)
      await this.#send(channel, () => escrow.rejectChannel(account, failed, options));
    if (now < closing.finishAt || challengesOpen > 0)
      return { kind: 'waiting', isRequested: true, at: closing.finishAt };
    await this.#send(channel, () => escrow.finishChannel(account, options));
    return this.#ended(account.address, options);
  }

  /** Not on the chain: it has ended, or was never opened. */
  async #concluded(
    channel: OpenChannel,
    address: Uint8Array,
    now: number,
    options: AbortOptions,
  ): Promise<ClosingStep> {
    const outcome = await this.#components.escrow.channelOutcome(address, options);
    const wasOpen = channel.kept.phase !== 'opening' || outcome !== null;
    // A node whose clock is behind may not know yet that it was opened.
    const endsAt = Number(channel.terms.validUntil) * 1_000 + forgetTermsMs;
    if (outcome === null && now < endsAt) return { kind: 'waiting', isRequested: false, at: endsAt };
    return { kind: 'ended', outcome, wasOpen };
  }

  /** Another process or the provider may have been faster. */
  async #send(channel: OpenChannel, run: () => Promise<Executed>): Promise<void> {
    try {
      const { fee } = await run();
      await channel.change({ fees: channel.kept.fees + fee });
    } catch (error) {
      const isDone =
        error instanceof RefusedError && ['NoAccount', 'InvalidStatus', 'AccountExists'].includes(error.refusal);
      if (!isDone) throw error;
    }
  }
}
