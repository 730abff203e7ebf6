import type { Stream } from '@libp2p/interface';
import { QvacError, toError } from '../../errors.ts';
import { anySignal, raceSignal } from '../../lib/abort.ts';
import { shortPeer } from '../../lib/names.ts';
import type { AbortOptions, PeerIdString } from '../../lib/types.ts';
import { MalformedError } from '../../protocol/codec.ts';
import { decodeFrame, encodeFrame, maxFrameBytes } from '../../protocol/frame-codec.ts';
import type { Frame, FrameOf, FrameType } from '../../protocol/frames.ts';
import { ByteQueue } from './byte-queue.ts';
import { PieceWriter } from './piece-writer.ts';

/**
 * Frames over one libp2p stream, with back-pressure both ways. A stream whose other side is killed never looks like a
 * clean end: `read` throws.
 */
export interface FrameStream {
  /** Whose stream it is, as authenticated by Noise. */
  readonly remote: { readonly peer: PeerIdString /** raw 32-byte Ed25519 key */; readonly publicKey: Uint8Array };
  /**
   * The next frame, or null at the other side's clean end. One read at a time; after an aborted one the next goes on
   * where it stopped.
   * @throws QvacError E_TRUNCATED where the connection broke, E_BAD_PEER for a frame that is oversized, malformed or
   * not
   * one of `allowed`
   * @throws the signal's reason where it aborts
   */
  read<T extends FrameType>(allowed: readonly T[], options?: AbortOptions): Promise<FrameOf<T> | null>;
  /**
   * Waits while the other side does not read. Writes keep their order.
   * @throws QvacError E_TRUNCATED where the connection broke, E_TIMEOUT where the other side has not read for 30 s
   */
  write(frame: Frame, options?: AbortOptions): Promise<void>;
  /** Ends our side after what was written. A stream that cannot end cleanly is reset. Never throws. */
  close(options?: AbortOptions): Promise<void>;
  /** Resets the stream at once. Never throws. */
  abort(reason: Error): void;
}

export interface FrameStreamOptions {
  /** How long a write waits for a side that does not read, in ms. @default 30_000 */
  readonly stallTimeoutMs?: number | undefined;
}

/** Bytes that may wait here for a reader before the other side is told to stop; half of it tells it to go on. */
const highWater = 64 * 1024;
/** How long `close` waits for what was written, in ms. */
const closeTimeoutMs = 5_000;

/** One side's frames over a libp2p stream. Listens from its construction on, so nothing that arrives is missed. */
export class LibP2PFrameStream implements FrameStream {
  readonly remote: FrameStream['remote'];
  readonly #stream: Stream;
  readonly #writer: PieceWriter;
  readonly #inbox = new ByteQueue();
  /** Bytes that the read in progress waits for; 0 without one. */
  #needed = 0;
  #reading = false;
  #discarding = false;
  #resuming = false;
  #remoteEnded: boolean;
  #closed = false;
  #failure: Error | null = null;
  #changed = false;
  #wake: (() => void) | null = null;

  constructor(stream: Stream, remote: FrameStream['remote'], options: FrameStreamOptions = {}) {
    this.#stream = stream;
    this.remote = remote;
    this.#writer = new PieceWriter(
      stream,
      {
        stalled: (ms) => new QvacError('E_TIMEOUT', `${shortPeer(remote.peer)} has not read for ${ms / 1000} s`),
        broken: (cause) => {
          this.#failure ??= cause;
          return this.#truncated();
        },
        isClosed: () => this.#closed,
        abort: (reason) => this.abort(reason),
      },
      options.stallTimeoutMs ?? 30_000,
    );
    this.#closed = stream.status !== 'open' && stream.status !== 'closing';
    // A broken connection also closes the remote's writing side: only with the stream itself open was it the remote.
    this.#remoteEnded = !this.#closed && stream.remoteWriteStatus === 'closed';
    stream.addEventListener('message', (event) => {
      // A throw in this listener would end the process.
      try {
        this.#receive(event.data);
      } catch (error) {
        this.abort(toError(error));
      }
    });
    stream.addEventListener('remoteCloseWrite', () => {
      this.#remoteEnded = true;
      this.#notify();
    });
    stream.addEventListener('close', (event) => {
      this.#closed = true;
      this.#failure ??= event.error ?? null;
      this.#notify();
    });
  }

  async read<T extends FrameType>(allowed: readonly T[], options: AbortOptions = {}): Promise<FrameOf<T> | null> {
    if (this.#reading) throw new Error('a read of this stream is under way');
    this.#reading = true;
    try {
      const most = maxFrameBytes(allowed);
      for (;;) {
        options.signal?.throwIfAborted();
        this.#changed = false;
        const frame = this.#cut(allowed, most);
        if (frame !== null) return frame;
        if (this.#stream.readBufferLength === 0 && !this.#changed) {
          if (this.#remoteEnded && this.#inbox.length === 0) return null;
          if (this.#remoteEnded || this.#closed) throw this.#truncated();
        }
        await this.#change(options.signal);
      }
    } finally {
      this.#reading = false;
      this.#needed = 0;
      this.#regulate();
    }
  }

  async write(frame: Frame, options: AbortOptions = {}): Promise<void> {
    await this.#writer.write(encodeFrame(frame), options.signal);
  }

  async close(options: AbortOptions = {}): Promise<void> {
    const deadline = AbortSignal.timeout(closeTimeoutMs);
    const signal = anySignal(deadline, options.signal);
    try {
      await raceSignal(this.#writer.written(), signal);
      await this.#stream.close({ signal });
    } catch (error) {
      this.abort(error instanceof Error ? error : new Error('the stream could not be closed'));
    }
  }

  abort(reason: Error): void {
    this.#failure ??= reason;
    try {
      this.#stream.abort(reason);
    } catch {
      // The connection is gone already.
    }
    this.#notify();
  }

  /** After `close`: throws away what still arrives and resets the stream where the other side does not end in time. */
  async linger(timeoutMs: number): Promise<void> {
    this.#discarding = true;
    this.#inbox.clear();
    this.#regulate();
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      while (!this.#remoteEnded && !this.#closed) {
        this.#changed = false;
        await this.#change(signal);
      }
    } catch {
      this.abort(new Error('the other side does not end the stream'));
    }
  }

  #cut<T extends FrameType>(allowed: readonly T[], most: number): FrameOf<T> | null {
    const length = this.#inbox.peekU32();
    if (length === null || this.#inbox.length < 4 + length) {
      if (length !== null && length > most) throw this.#bad(`a frame of ${length} bytes where ${most} are the most`);
      this.#needed = 4 + (length ?? 0);
      this.#regulate();
      return null;
    }
    if (length > most) throw this.#bad(`a frame of ${length} bytes where ${most} are the most`);
    this.#inbox.skip(4);
    const cbor = this.#inbox.take(length);
    this.#needed = 0;
    this.#regulate();
    try {
      // `decodeFrame` gives none but the allowed types.
      return decodeFrame(cbor, allowed) as FrameOf<T>;
    } catch (error) {
      if (error instanceof MalformedError) throw this.#bad(error.message, error);
      throw error;
    }
  }

  #receive(data: Uint8Array | Iterable<Uint8Array>): void {
    if (this.#discarding) return;
    const pieces = data instanceof Uint8Array ? [data] : data;
    for (const piece of pieces) this.#inbox.push(piece);
    this.#regulate();
    this.#notify();
  }

  /** Pauses or resumes the other side according to what waits here. */
  #regulate(): void {
    const limit = Math.max(highWater, this.#needed);
    // Inside `resume` a pause would be undone, so it is made up for below.
    if (this.#resuming) return;
    try {
      if (
        this.#stream.readStatus === 'paused' &&
        (this.#inbox.length <= highWater / 2 || this.#inbox.length < this.#needed)
      ) {
        this.#resuming = true;
        try {
          this.#stream.resume();
        } finally {
          this.#resuming = false;
        }
      }
      if (this.#stream.readStatus === 'readable' && this.#inbox.length > limit && !this.#discarding)
        this.#stream.pause();
    } catch (error) {
      this.#failure ??= error instanceof Error ? error : null;
    }
  }

  #notify(): void {
    this.#changed = true;
    this.#wake?.();
  }

  /** Resolves at the next event, or at once where one came since `#changed` was cleared. */
  #change(signal: AbortSignal | undefined): Promise<void> {
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

  #truncated(): QvacError {
    return this.#failure instanceof QvacError
      ? this.#failure
      : new QvacError('E_TRUNCATED', `the connection to ${shortPeer(this.remote.peer)} broke off`, {
          cause: this.#failure ?? undefined,
        });
  }

  #bad(what: string, cause?: unknown): QvacError {
    return new QvacError('E_BAD_PEER', `${shortPeer(this.remote.peer)} broke the protocol: ${what}`, { cause });
  }
}

/**
 * The next frame.
 * @throws QvacError E_TIMEOUT where it takes longer than `timeoutMs`, and as `stream.read`
 * @throws the signal's reason where it aborts
 */
export async function readWithin<T extends FrameType>(
  stream: FrameStream,
  allowed: readonly T[],
  timeoutMs: number,
  options: AbortOptions = {},
): Promise<FrameOf<T> | null> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new QvacError('E_TIMEOUT', `no frame within ${timeoutMs} ms`)), timeoutMs);
  try {
    return await stream.read(allowed, {
      signal: anySignal(late.signal, options.signal),
    });
  } finally {
    clearTimeout(timer);
  }
}
