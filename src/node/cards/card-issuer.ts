import { EventEmitter } from 'node:events';
import { messageOf } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { createJsonFile, type JsonFile } from '../../lib/json-file.ts';
import type { Logger } from '../../lib/log.ts';
import { signBody } from '../../proofs/signing.ts';
import { cardLifeMs, cardProtocol, cardRenewalMs } from '../../protocol/constants.ts';
import { execClassOf } from '../../protocol/messages/exec.ts';
import { type Card, kinds } from '../../protocol/messages.ts';
import { encodeCard } from '../../protocol/validate.ts';
import { bestAddresses } from '../peer/addresses.ts';
import type { Peer } from '../peer/peer.ts';
import type { VerifiedCard } from './cards.ts';

/** What a node offers; the issuer adds its identity, dates and addresses. */
export type CardContent = Pick<Card, 'models' | 'compute' | 'exec' | 'pay'>;

export interface CardIssuerComponents {
  readonly peer: Peer;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface CardIssuerInit {
  /** A file for the number of the last card, so that numbers grow across restarts. Null: not kept. */
  readonly path: string | null;
  readonly role: Card['role'];
  /** Called for each new card. */
  readonly content: () => CardContent;
  /** @default the protocol's 10 and 5 minutes */
  readonly lifeMs?: number | undefined;
  readonly renewMs?: number | undefined;
}

/**
 * Issues this node's signed card, again when its addresses change, and serves it to any peer. `start` and `stop` are
 * idempotent.
 */
export interface CardIssuer {
  readonly events: EventEmitter<{ /** A new card is current. */ issued: [card: VerifiedCard] }>;
  /** The current card. @throws Error before `start` */
  current(): VerifiedCard;
  /** Issues a new card at once: its content has changed. */
  renew(): Promise<void>;
  start(): Promise<void>;
  stop(): void;
}

export function createCardIssuer(components: CardIssuerComponents, init: CardIssuerInit): CardIssuer {
  return new SignedCards(components, init);
}

/** Changes of addresses within this time get one card, in ms. */
const addressesCalmMs = 200;

class SignedCards implements CardIssuer {
  readonly events: CardIssuer['events'] = new EventEmitter();
  readonly #components: CardIssuerComponents;
  readonly #init: CardIssuerInit;
  /** The number of the last card. */
  readonly #seqFile: JsonFile<number> | null;
  #current: VerifiedCard | null = null;
  #seq = 0;
  #timer: NodeJS.Timeout | null = null;
  /** The renewal after a change of addresses. */
  #soon: NodeJS.Timeout | null = null;
  /** Cards are issued one after another. */
  #queue: Promise<void> = Promise.resolve();

  constructor(components: CardIssuerComponents, init: CardIssuerInit) {
    this.#components = components;
    this.#init = init;
    const { logger } = components;
    // If the number is lost, the clock gives a larger one.
    const form = { what: 'the number of the last card', onDamaged: 'start-anew', toJson, parse, logger } as const;
    this.#seqFile = init.path === null ? null : createJsonFile(init.path, form);
  }

  current(): VerifiedCard {
    if (this.#current === null) throw new Error('no card is issued before start');
    return this.#current;
  }

  async start(): Promise<void> {
    if (this.#timer !== null) return;
    this.#timer = setInterval(() => this.#renewOnTime(), this.#init.renewMs ?? cardRenewalMs);
    this.#timer.unref();
    this.#seq = (await this.#seqFile?.read()) ?? 0;
    await this.renew();
    await this.#components.peer.handle(
      cardProtocol,
      async (stream) => {
        const { body, sig } = this.current();
        await stream.write({ t: 'card', body, sig });
      },
      { maxInboundStreams: 8 },
    );
    this.#components.peer.events.on('addresses', this.#onAddresses);
  }

  stop(): void {
    this.#components.peer.events.off('addresses', this.#onAddresses);
    if (this.#timer !== null) clearInterval(this.#timer);
    if (this.#soon !== null) clearTimeout(this.#soon);
    this.#timer = null;
    this.#soon = null;
  }

  renew(): Promise<void> {
    const turn = this.#queue.then(() => this.#issue());
    this.#queue = turn.catch(() => undefined);
    return turn;
  }

  readonly #onAddresses = (): void => {
    this.#soon ??= setTimeout(() => {
      this.#soon = null;
      this.#renewOnTime();
    }, addressesCalmMs);
    this.#soon.unref();
  };

  #renewOnTime(): void {
    // A full disk must not stop the node: the card stays valid until the next attempt.
    this.renew().catch((error: unknown) =>
      this.#components.logger.warn('the card was not renewed', {
        error: messageOf(error),
      }),
    );
  }

  async #issue(): Promise<void> {
    const { peer, clock } = this.#components;
    const { role, content, lifeMs = cardLifeMs } = this.#init;
    const now = clock.now();
    // Following the clock keeps the numbers growing even if the file was lost.
    const seq = Math.max(this.#seq + 1, now);
    const { models, compute, exec, pay } = content();
    const card: Card = {
      v: 1,
      peer: peer.key.publicKey,
      role,
      seq,
      issuedAt: now,
      expiresAt: now + lifeMs,
      addrs: [...bestAddresses(peer.addrs())],
      models,
      compute,
      execClass: exec === null ? null : execClassOf(exec),
      exec,
      pay,
      network: peer.network,
    };
    const signed = signBody(peer.key, kinds.card, null, encodeCard(card));
    // On disk before anyone can see the card: a number must never be used twice.
    await this.#seqFile?.write(seq);
    this.#seq = seq;
    this.#current = { peer: peer.id, card, body: signed.body, sig: signed.sig };
    this.events.emit('issued', this.#current);
  }
}

function toJson(seq: number): unknown {
  return { seq };
}

function parse(json: unknown): number | null {
  return typeof json === 'object' && json !== null && 'seq' in json && Number.isSafeInteger(json.seq)
    ? (json.seq as number)
    : null;
}
