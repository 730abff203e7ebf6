import * as v from 'valibot';
import { anyBytes, digest, i32, text, u32, u32s, version } from './fields.ts';
import { decoder, encoder } from './validated.ts';

/** Token id and `q` (logit × 1024, rounded, i32), section 4.1. */
export type Candidate = readonly [id: number, q: number];

/** One step as the provider committed to it (section 4.3). */
export interface OpenedStep {
  readonly i: number;
  readonly token: number;
  readonly prefix: Uint8Array;
  /** 16 bytes */
  readonly salt: Uint8Array;
  /** In the order in which they were committed. */
  readonly candidates: readonly Candidate[];
  readonly exact: Uint8Array;
  readonly zk: Uint8Array;
  /** From the leaf up. */
  readonly path: readonly Uint8Array[];
}

export interface Opening {
  readonly v: 1;
  readonly jobId: Uint8Array;
  readonly root: Uint8Array;
  readonly steps: readonly OpenedStep[];
}

/** A step of mode zk: proved, not shown (section 4.8). */
export interface ProvedStep {
  readonly i: number;
  readonly token: number;
  readonly prefix: Uint8Array;
  readonly exact: Uint8Array;
  readonly zk: Uint8Array;
  readonly path: readonly Uint8Array[];
}

export interface ZkOpening {
  readonly v: 2;
  readonly jobId: Uint8Array;
  readonly root: Uint8Array;
  /** Digest of the constraint system. */
  readonly circuit: Uint8Array;
  readonly system: string;
  readonly steps: readonly ProvedStep[];
  /** One for each 16 steps. */
  readonly proofs: readonly Uint8Array[];
}

/** One vector of an embedding job, by its digests (section 4.9). */
export interface OpenedVector {
  readonly i: number;
  /** The input digest of the text's tokens. */
  readonly input: Uint8Array;
  /** SHA-256 of the vector's bytes. */
  readonly values: Uint8Array;
  /** From the leaf up. */
  readonly path: readonly Uint8Array[];
}

export interface VectorOpening {
  readonly v: 3;
  readonly jobId: Uint8Array;
  readonly root: Uint8Array;
  readonly vectors: readonly OpenedVector[];
}

/** What a referee thought at one step (section 4.7). */
export interface ScoredStep {
  /** 16 bytes */
  readonly salt: Uint8Array;
  /** Ascending. */
  readonly ids: readonly number[];
  /** The float32 of each id, 4 bytes each, big-endian. */
  readonly logits: Uint8Array;
}

/** The opening of a score job: all of its steps. */
export interface ScoreOpening {
  readonly v: 1;
  readonly jobId: Uint8Array;
  readonly root: Uint8Array;
  readonly steps: readonly ScoredStep[];
}

const salt = v.custom<Uint8Array>((value) => value instanceof Uint8Array && value.length === 16, 'expected 16 bytes');
const committedTo = { i: u32, token: u32, prefix: digest, exact: digest, zk: digest, path: v.array(digest) };

const plainOpening = v.strictObject({
  v: version,
  jobId: digest,
  root: digest,
  steps: v.array(v.strictObject({ ...committedTo, salt, candidates: v.array(v.strictTuple([u32, i32])) })),
});

const zkOpening = v.strictObject({
  v: v.literal(2),
  jobId: digest,
  root: digest,
  circuit: digest,
  system: text,
  steps: v.array(v.strictObject(committedTo)),
  proofs: v.array(anyBytes),
});

const vectorOpening = v.strictObject({
  v: v.literal(3),
  jobId: digest,
  root: digest,
  vectors: v.array(v.strictObject({ i: u32, input: digest, values: digest, path: v.array(digest) })),
});

const opening = v.variant('v', [plainOpening, zkOpening, vectorOpening]);

const scoreOpening = v.strictObject({
  v: version,
  jobId: digest,
  root: digest,
  steps: v.array(
    v.pipe(
      v.strictObject({ salt, ids: u32s, logits: anyBytes }),
      v.check(({ ids, logits }) => logits.length === 4 * ids.length, 'expected 4 bytes of logits for each id'),
    ),
  ),
});

/** @throws MalformedError */
export const encodeOpening = encoder<Opening | ZkOpening | VectorOpening>(opening, 'opening');
/** @throws MalformedError */
export const decodeOpening = decoder<Opening | ZkOpening | VectorOpening>(opening, 'opening');
/** @throws MalformedError */
export const encodeScoreOpening = encoder<ScoreOpening>(scoreOpening, 'score');
/** @throws MalformedError */
export const decodeScoreOpening = decoder<ScoreOpening>(scoreOpening, 'score');
