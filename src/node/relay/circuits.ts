import type { Monotonic } from '../../lib/clock.ts';
import type { PeerIdString } from '../../lib/types.ts';
import type { RelayLimits } from './constants.ts';
import { Tally } from './tally.ts';
import { TokenBucket } from './token-bucket.ts';

/** The two ends of a circuit. */
export interface CircuitEnds {
  readonly source: PeerIdString;
  /** The source's address. */
  readonly ip: string;
  readonly target: PeerIdString;
}

/** Which limit a further circuit would exceed. */
export type CircuitRefusal = 'circuits' | 'target' | 'source' | 'ip';

/** An open circuit, or one that is being opened. */
export interface Circuit {
  /** Counts bytes that have passed. @returns how long nothing more should pass, in ms */
  take(bytes: number): number;
  /** By the monotonic clock. */
  readonly movedAt: number;
  /** Gives its place back. Idempotent. */
  release(): void;
}

/** Counts circuits and their bytes against the limits. */
export class Circuits {
  readonly #limits: RelayLimits;
  readonly #monotonic: Monotonic;
  readonly #perTarget = new Tally();
  readonly #perSource = new Tally();
  readonly #perIp = new Tally();
  /** Of each target that has circuits. */
  readonly #buckets = new Map<PeerIdString, TokenBucket>();
  readonly #total: TokenBucket;
  #open = 0;
  #bytes = 0;

  constructor(limits: RelayLimits, monotonic: Monotonic) {
    this.#limits = limits;
    this.#monotonic = monotonic;
    this.#total = new TokenBucket(limits.totalBytesPerSecond, monotonic);
  }

  get size(): number {
    return this.#open;
  }

  /** Bytes that have passed in this run. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A place for a circuit, or the limit that refuses it. */
  open({ source, ip, target }: CircuitEnds): Circuit | CircuitRefusal {
    const { maxCircuits, maxCircuitsPerTarget, maxCircuitsPerSource, maxCircuitsPerIp } = this.#limits;
    if (this.#open >= maxCircuits) return 'circuits';
    if (this.#perTarget.of(target) >= maxCircuitsPerTarget) return 'target';
    if (this.#perSource.of(source) >= maxCircuitsPerSource) return 'source';
    if (this.#perIp.of(ip) >= maxCircuitsPerIp) return 'ip';
    this.#open += 1;
    this.#perTarget.add(target);
    this.#perSource.add(source);
    this.#perIp.add(ip);
    const bucket = this.#bucketOf(target);
    let released = false;
    let movedAt = this.#monotonic();
    return {
      take: (bytes) => {
        movedAt = this.#monotonic();
        this.#bytes += bytes;
        return Math.max(bucket.take(bytes), this.#total.take(bytes));
      },
      get movedAt() {
        return movedAt;
      },
      release: () => {
        if (released) return;
        released = true;
        this.#open -= 1;
        this.#perTarget.remove(target);
        this.#perSource.remove(source);
        this.#perIp.remove(ip);
        if (this.#perTarget.of(target) === 0) this.#buckets.delete(target);
      },
    };
  }

  #bucketOf(target: PeerIdString): TokenBucket {
    const known = this.#buckets.get(target);
    if (known !== undefined) return known;
    const bucket = new TokenBucket(this.#limits.bytesPerSecond, this.#monotonic);
    this.#buckets.set(target, bucket);
    return bucket;
  }
}
