import type { Stream } from '@libp2p/interface';
import { toError } from '../../errors.ts';

/** What a writer needs to know about its stream. */
export interface StreamState {
  isClosed(): boolean;
  /** The error of a stream that broke off; `cause` is used if none is known yet. */
  broken(cause: Error | null): Error;
  /** The error of a stream whose other side has not read for `timeoutMs`. */
  stalled(timeoutMs: number): Error;
  abort(reason: Error): void;
}

/** The muxer gets what is written in pieces of this many bytes, so that its queue stays short. */
const pieceBytes = 64 * 1024;

/** Writes to one libp2p stream, in order, each waiting while the other side does not read. */
export class PieceWriter {
  readonly #stream: Stream;
  readonly #state: StreamState;
  readonly #stallTimeoutMs: number;
  #tail: Promise<void> = Promise.resolve();
  #writing = 0;
  /** One timer for all waits of the stream. */
  #stall: NodeJS.Timeout | null = null;
  /** Ends the current wait with an error; null while no write waits. */
  #onStall: (() => void) | null = null;

  /** @param stallTimeoutMs how long a write waits while the other side does not read */
  constructor(stream: Stream, state: StreamState, stallTimeoutMs: number) {
    this.#stream = stream;
    this.#state = state;
    this.#stallTimeoutMs = stallTimeoutMs;
  }

  /** @throws the error of `state` for a stream that broke off or stalls, the signal's reason if it aborts */
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

  /** Resolves when the muxer has all earlier writes, or they failed. */
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
        this.#onStall = null;
        this.#stream.removeEventListener('drain', onDrain);
        this.#stream.removeEventListener('close', onClose);
        signal?.removeEventListener('abort', onAbort);
        if (error === null) resolve();
        else reject(error);
      };
      const onDrain = (): void => finish(null);
      const onClose = (): void => finish(this.#state.broken(null));
      const onAbort = (): void => finish(signal?.reason as Error);
      this.#onStall = () => {
        const error = this.#state.stalled(this.#stallTimeoutMs);
        finish(error);
        this.#state.abort(error);
      };
      this.#restartStall();
      this.#stream.addEventListener('drain', onDrain);
      this.#stream.addEventListener('close', onClose);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  #restartStall(): void {
    if (this.#stall !== null) {
      this.#stall.refresh();
      return;
    }
    this.#stall = setTimeout(() => this.#onStall?.(), this.#stallTimeoutMs);
    // It outlives its waits, and must not keep the process alive for them. The connection does while a write waits.
    this.#stall.unref();
  }
}
