import { randomBytes } from 'node:crypto';
import { escrowRules } from '../../../../escrow/constants.ts';
import type { Escrow } from '../../../../escrow/escrow.ts';
import { equalBytes } from '../../../../lib/bytes.ts';
import type { ChannelId } from '../../../../lib/types.ts';
import { type SigningKey, signBody } from '../../../../proofs/signing.ts';
import { channelIdHex } from '../../../../protocol/digests.ts';
import { channelIdOf } from '../../../../protocol/layouts/channel-terms.ts';
import { kinds, type Signed } from '../../../../protocol/messages.ts';
import { decodeChannelTerms, encodeChannelTerms } from '../../../../protocol/validate.ts';
import type { Journal } from '../../../home/journal.ts';
import { OfferRefusal } from '../../refusal.ts';
import type { Proposal } from '../payouts.ts';
import type { StakeLedger } from '../stake-ledger.ts';
import {
  channelShare,
  maxChannelLifeS,
  maxTerms,
  maxTermsOfClient,
  minChannelLifeS,
  termsLifeS,
  termsShare,
} from './constants.ts';
import type { KeptChannel } from './kept-channel.ts';

export interface SignedTermsComponents {
  readonly escrow: Escrow;
  readonly authority: Uint8Array;
  /** The node's. */
  readonly key: SigningKey;
  readonly stake: StakeLedger;
  readonly journal: Journal<KeptChannel, ChannelId>;
}

interface Signing {
  readonly client: Uint8Array;
  readonly signed: Signed;
  /** Unix ms of the chain. */
  readonly validUntil: number;
}

/** Terms that this node signed and that are not on the chain. Each reserves the stake that its channel would lock. */
export class SignedTerms {
  readonly #components: SignedTermsComponents;
  readonly #signed = new Map<ChannelId, Signing>();

  constructor(components: SignedTermsComponents) {
    this.#components = components;
  }

  get size(): number {
    return this.#signed.size;
  }

  get(channel: ChannelId): Signed | null {
    return this.#signed.get(channel)?.signed ?? null;
  }

  /** Takes over what an earlier process signed. */
  recall(channel: ChannelId, signed: Signed): void {
    const { client, validUntil, windowLamports } = decodeChannelTerms(signed.body);
    this.#signed.set(channel, { client, signed, validUntil: Number(validUntil) * 1_000 });
    this.#components.stake.reserveTerms(channel, escrowRules.slashMultiple * windowLamports);
  }

  /** The channel is open, or was never opened: the stake is free, or locked by the chain. */
  forget(channel: ChannelId): void {
    this.#signed.delete(channel);
    this.#components.stake.release(channel);
  }

  /** Those that can no longer be opened at `now`, unix ms of the chain. */
  endedBefore(now: number): readonly ChannelId[] {
    return [...this.#signed].filter(([, { validUntil }]) => validUntil < now).map(([channel]) => channel);
  }

  /**
   * Signs terms, which are on disk when it resolves.
   * @param lockedLamports stake that open channels lock
   * @throws OfferRefusal
   */
  async sign(proposal: Proposal, client: Uint8Array, lockedLamports: bigint): Promise<Signed> {
    const { escrow, authority, key, stake, journal } = this.#components;
    const own = [...this.#signed.values()].filter((each) => equalBytes(each.client, client)).length;
    if (own >= maxTermsOfClient || this.#signed.size >= maxTerms)
      throw new OfferRefusal('busy', 'too many channel terms wait to be opened');
    const { deposit, window } = proposal;
    // Reserved before the first await, so that proposals at the same moment see it.
    const placeholder = channelIdHex(Uint8Array.from(randomBytes(32)));
    this.#signed.set(placeholder, { client, signed: nothing, validUntil: Infinity });
    stake.reserveTerms(placeholder, escrowRules.slashMultiple * BigInt(window));
    try {
      const [now, state] = await Promise.all([escrow.now(), stake.read()]);
      checkLife(proposal, now);
      const { termsLamports } = state;
      const isWithin =
        state.covers &&
        termsLamports * termsShare <= state.freeStake &&
        (termsLamports + lockedLamports) * channelShare <= state.stake;
      if (!isWithin) throw new OfferRefusal('busy', 'the stake does not cover another channel with this window now');
      const body = encodeChannelTerms({
        version: 1,
        chain: escrow.genesis,
        program: escrow.program,
        payer: proposal.payer,
        authority,
        provider: key.publicKey,
        client,
        depositLamports: BigInt(deposit),
        windowLamports: BigInt(window),
        expiresAt: BigInt(proposal.expiresAt),
        validUntil: BigInt(Math.floor(now / 1_000) + termsLifeS),
        nonce: Uint8Array.from(randomBytes(16)),
      });
      const signed = signBody(key, kinds.channel, null, body);
      const channel = channelIdHex(channelIdOf(body));
      this.forget(placeholder);
      this.recall(channel, signed);
      await journal.write(channel, { terms: signed, committed: null, released: null, closing: null });
      return signed;
    } finally {
      this.forget(placeholder);
    }
  }
}

const nothing: Signed = { body: new Uint8Array(), sig: new Uint8Array() };

/** @throws OfferRefusal */
function checkLife({ expiresAt }: Proposal, now: number): void {
  const lifeS = expiresAt - now / 1_000;
  // The two may read the chain's time a block apart.
  const skewS = 30;
  if (lifeS < minChannelLifeS - skewS || lifeS > maxChannelLifeS + skewS)
    throw new OfferRefusal(
      'bad-offer',
      `a channel lives ${minChannelLifeS} to ${maxChannelLifeS} s here, not ${Math.round(lifeS)} s`,
    );
}
