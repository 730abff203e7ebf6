import type { Stream } from '@libp2p/interface';
import { toError } from '../../errors.ts';
import { ByteQueue } from './byte-queue.ts';

/** Unread bytes at which the other side is paused; it resumes at half of them. */
const highWater = 64 * 1024;

/** The unread bytes of one libp2p stream. Pauses the other side while they are many, and wakes a waiting reader. */
export class Inbox {
  readonly #stream: Stream;
  readonly #onError: (error: Error) => void;
  readonly #bytes = new ByteQueue();
  /** Bytes that the current read waits for; 0 while nothing reads. */
  #needed = 0;
  #discarding = false;
  #resuming = false;
  #changed = false;
  #wake: (() => void) | null = null;

  /** @param onError takes an error in a listener, which would end the process if thrown */
  constructor(stream: Stream, onError: (error: Error) => void) {
    this.#stream = stream;
    this.#onError = onError;
    stream.addEventListener('message', (event) => {
      // A throw in this listener would end the process.
      try {
        this.#receive(event.data);
      } catch (error) {
        this.#onError(toError(error));
      }
    });
  }

  /** Unread bytes. */
  get length(): number {
    return this.#bytes.length;
  }

  /** The first four bytes as a big-endian integer, or null if fewer have arrived. */
  peekU32(): number | null {
    return this.#bytes.peekU32();
  }

  /**
   * Removes the first `count` bytes, which must have arrived.
   * @param take receives a view of them, valid during the call
   * @returns its result
   */
  cut<Result>(count: number, take: (view: Uint8Array) => Result): Result {
    try {
      return take(this.#bytes.peek(count));
    } finally {
      // Only now: the other side may send at once, over the bytes of the view.
      this.#bytes.skip(count);
      this.needs(0);
    }
  }

  /** The current read waits for `count` bytes, so that many may arrive. 0: nothing reads. */
  needs(count: number): void {
    this.#needed = count;
    this.#regulate();
  }

  /** Discards the unread bytes and all that still arrive. */
  discard(): void {
    this.#discarding = true;
    this.#bytes.clear();
    this.#regulate();
  }

  /** From now on `changed` waits for the next event. */
  forgetChanges(): void {
    this.#changed = false;
  }

  get hasChanged(): boolean {
    return this.#changed;
  }

  /** Something happened to the stream. */
  notify(): void {
    this.#changed = true;
    this.#wake?.();
  }

  /**
   * Resolves at the next event, or at once if one came since `forgetChanges`.
   * @throws the signal's reason if it aborts
   */
  changed(signal: AbortSignal | undefined): Promise<void> {
    if (this.#changed) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const done = (): void => {
        this.#wake = null;
        signal?.removeEventListener('abort', onAbort);
        resolve();
      };
      const onAbort = (): void => {
        this.#wake = null;
        reject(signal?.reason as Error);
      };
      this.#wake = done;
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  #receive(data: Uint8Array | Iterable<Uint8Array>): void {
    if (this.#discarding) return;
    const pieces = data instanceof Uint8Array ? [data] : data;
    for (const piece of pieces) this.#bytes.push(piece);
    this.#regulate();
    this.notify();
  }

  /** Pauses or resumes the other side according to the unread bytes. */
  #regulate(): void {
    // `resume` would undo a pause made inside it; the last lines make up for it.
    if (this.#resuming) return;
    const limit = Math.max(highWater, this.#needed);
    try {
      if (
        this.#stream.readStatus === 'paused' &&
        (this.#bytes.length <= highWater / 2 || this.#bytes.length < this.#needed)
      ) {
        this.#resuming = true;
        try {
          this.#stream.resume();
        } finally {
          this.#resuming = false;
        }
      }
      if (this.#stream.readStatus === 'readable' && this.#bytes.length > limit && !this.#discarding)
        this.#stream.pause();
    } catch (error) {
      this.#onError(toError(error));
    }
  }
}
