import * as v from 'valibot';
import { equalBytes } from '../../lib/bytes.ts';
import { type ModeName, modeNames } from '../codes.ts';
import { type Exec, exec, execClassOf } from './exec.ts';
import { digest, integer, isAscending, natural, stops, text, u32, u32Max, version } from './fields.ts';
import { type Pay, pay } from './pay.ts';
import { decoder, encoder } from './validated.ts';

/** A model that a provider serves, or that a router can re-execute. Prices in lamports. */
export interface CardModel {
  readonly id: Uint8Array;
  readonly name: string;
  readonly arch: string;
  readonly quant: string;
  readonly context: number;
  /** Number of token ids. */
  readonly vocab: number;
  /** End-of-generation ids, ascending, at most 8. */
  readonly stops: readonly number[];
  readonly vocabDigest: Uint8Array;
  /** What it serves beyond plain text, ascending: `grammar`, `prefix`, `tools`. */
  readonly can: readonly string[];
  readonly modes: readonly ModeName[];
  /** For each job. */
  readonly priceJob: number;
  /** For 1,000 tokens. */
  readonly priceIn: number;
  readonly priceOut: number;
  readonly slots: number;
}

/** Section 3. Times are unix milliseconds. */
export interface Card {
  readonly v: 1;
  readonly peer: Uint8Array;
  readonly role: 'provider' | 'router' | 'relay';
  readonly seq: number;
  readonly issuedAt: number;
  readonly expiresAt: number;
  readonly addrs: readonly string[];
  readonly models: readonly CardModel[];
  readonly compute: {
    readonly backend: string;
    readonly device: string;
    /** bytes */
    readonly memory: number;
    readonly tokensPerSecond: number;
  };
  /** Null, as `exec`, for a relay and for a router without a model. */
  readonly execClass: Uint8Array | null;
  readonly exec: Exec | null;
  readonly pay: Pay | null;
  readonly network: string;
}

const cardModel = v.pipe(
  v.strictObject({
    id: digest,
    name: text,
    arch: text,
    quant: text,
    context: u32,
    vocab: integer(1, u32Max),
    stops,
    vocabDigest: digest,
    can: v.pipe(
      v.array(text),
      v.check((names) => isAscending(names), 'expected ascending names'),
    ),
    modes: v.array(v.picklist(modeNames)),
    priceJob: natural,
    priceIn: natural,
    priceOut: natural,
    slots: u32,
  }),
  v.check((model) => model.stops.every((id) => id < model.vocab), 'a stop outside the vocabulary'),
);

const card = v.pipe(
  v.strictObject({
    v: version,
    peer: digest,
    role: v.picklist(['provider', 'router', 'relay']),
    seq: natural,
    issuedAt: natural,
    expiresAt: natural,
    addrs: v.array(text),
    models: v.array(cardModel),
    compute: v.strictObject({ backend: text, device: text, memory: natural, tokensPerSecond: natural }),
    execClass: v.nullable(digest),
    exec: v.nullable(exec),
    pay: v.nullable(pay),
    network: text,
  }),
  v.check(({ role, models }) => role !== 'relay' || models.length === 0, 'a relay has no models'),
  v.check(
    ({ role, models, execClass }) => (execClass === null) === (role !== 'provider' && models.length === 0),
    'execClass is null for a relay and for a router without a model, and only there',
  ),
  v.check(
    (message) =>
      message.exec === null
        ? message.execClass === null
        : message.execClass !== null && equalBytes(execClassOf(message.exec), message.execClass),
    'execClass is not the digest of exec',
  ),
);

/** @throws MalformedError */
export const encodeCard = encoder<Card>(card, 'card');
/** @throws MalformedError */
export const decodeCard = decoder<Card>(card, 'card');
