import type { Stream } from '@libp2p/interface';
import { toError } from '../../errors.ts';

/** What a writer needs to know of its stream as a whole. */
export interface StreamState {
  isClosed(): boolean;
  /** The stream's error where it broke off; `cause` counts where none is known yet. */
  broken(cause: Error | null): Error;
  /** The error where the other side has not read for so long. */
  stalled(timeoutMs: number): Error;
  abort(reason: Error): void;
}

/** What is written is handed to the muxer in pieces of this many bytes, so that its queue stays short. */
const pieceBytes = 64 * 1024;

/** Writes to one libp2p stream, in order, each waiting while the other side does not read. */
export class PieceWriter {
  readonly #stream: Stream;
  readonly #state: StreamState;
  readonly #stallTimeoutMs: number;
  #tail: Promise<void> = Promise.resolve();
  #writing = 0;

  /** @param stallTimeoutMs how long a write waits for a side that does not read */
  constructor(stream: Stream, state: StreamState, stallTimeoutMs: number) {
    this.#stream = stream;
    this.#state = state;
    this.#stallTimeoutMs = stallTimeoutMs;
  }

  /** @throws what `state` gives for a stream that broke off or stalls, the signal's reason where it aborts */
  async write(bytes: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    if (this.#writing === 0 && !this.#stream.writableNeedsDrain && bytes.length <= pieceBytes) {
      this.#send(bytes);
      return;
    }
    this.#writing++;
    const before = this.#tail;
    const turn = before.then(() => this.#sendAll(bytes, signal));
    this.#tail = turn.catch(() => undefined);
    try {
      await turn;
    } finally {
      this.#writing--;
    }
  }

  /** Resolves when all that was written so far is with the muxer, or failed. */
  written(): Promise<void> {
    return this.#tail;
  }

  async #sendAll(bytes: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      try {
        while (this.#stream.writableNeedsDrain) await this.#drained(signal);
      } catch (error) {
        // Half a frame cannot be taken back.
        if (at > 0) this.#state.abort(toError(error));
        throw error;
      }
      this.#send(bytes.subarray(at, at + pieceBytes));
    }
  }

  #send(bytes: Uint8Array): void {
    if (this.#state.isClosed()) throw this.#state.broken(null);
    try {
      this.#stream.send(bytes);
    } catch (error) {
      throw this.#state.broken(error instanceof Error ? error : null);
    }
  }

  /** Resolves when the muxer takes more. The stream's own `onDrain` works only once. */
  #drained(signal: AbortSignal | undefined): Promise<void> {
    if (this.#state.isClosed()) return Promise.reject(this.#state.broken(null));
    return new Promise((resolve, reject) => {
      const finish = (error: Error | null): void => {
        clearTimeout(timer);
        this.#stream.removeEventListener('drain', onDrain);
        this.#stream.removeEventListener('close', onClose);
        signal?.removeEventListener('abort', onAbort);
        if (error === null) resolve();
        else reject(error);
      };
      const onDrain = (): void => finish(null);
      const onClose = (): void => finish(this.#state.broken(null));
      const onAbort = (): void => finish(signal?.reason as Error);
      const onStall = (): void => {
        const error = this.#state.stalled(this.#stallTimeoutMs);
        finish(error);
        this.#state.abort(error);
      };
      const timer = setTimeout(onStall, this.#stallTimeoutMs);
      this.#stream.addEventListener('drain', onDrain);
      this.#stream.addEventListener('close', onClose);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }
}
