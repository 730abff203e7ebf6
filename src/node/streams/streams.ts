import type { Stream } from '@libp2p/interface';
import { QvacError } from '../../errors.ts';
import { anySignal, raceSignal } from '../../lib/abort.ts';
import { shortPeer } from '../../lib/names.ts';
import type { AbortOptions, PeerIdString } from '../../lib/types.ts';
import { MalformedError } from '../../protocol/codec.ts';
import { decodeFrame, encodeFrame, type FrameOptions, maxFrameBytes } from '../../protocol/frame-codec.ts';
import type { Frame, FrameOf, FrameType } from '../../protocol/frames.ts';
import { Inbox } from './inbox.ts';
import { PieceWriter } from './piece-writer.ts';

/** A frame and the bytes that it was decoded from, its length included (protocol section 4). */
export interface RawFrame<T extends FrameType> {
  readonly frame: FrameOf<T>;
  readonly bytes: Uint8Array;
}

export interface FrameStreamCallOptions extends AbortOptions, FrameOptions {}

/**
 * Frames over one libp2p stream, with back-pressure both ways. A stream whose other side is killed never looks like a
 * clean end: `read` throws.
 */
export interface FrameStream {
  /** The other side, as authenticated by Noise. */
  readonly remote: { readonly peer: PeerIdString /** raw 32-byte Ed25519 key */; readonly publicKey: Uint8Array };
  /**
   * The next frame, or null at the other side's clean end. One read at a time; after an aborted read the next one
   * continues where it stopped.
   * @throws QvacError E_TRUNCATED if the connection broke, E_BAD_PEER for a frame that is oversized, malformed or not
   * one of `allowed`
   * @throws the signal's reason if it aborts
   */
  read<T extends FrameType>(allowed: readonly T[], options?: FrameStreamCallOptions): Promise<FrameOf<T> | null>;
  /** `read` that also returns the frame's bytes, for `forward` on another stream. */
  readRaw<T extends FrameType>(allowed: readonly T[], options?: AbortOptions): Promise<RawFrame<T> | null>;
  /**
   * Waits while the other side does not read. Writes keep their order.
   * @throws QvacError E_TRUNCATED if the connection broke, E_TIMEOUT if the other side has not read for 30 s
   * @throws MalformedError for a frame that the other side would refuse
   */
  write(frame: Frame, options?: FrameStreamCallOptions): Promise<void>;
  /** Writes a frame that `readRaw` returned, byte for byte. @throws as `write` */
  forward(bytes: Uint8Array, options?: AbortOptions): Promise<void>;
  /** Ends our side after all writes. Resets a stream that cannot end cleanly. Never throws. */
  close(options?: AbortOptions): Promise<void>;
  /** Resets the stream at once. Never throws. */
  abort(reason: Error): void;
}

export interface FrameStreamOptions {
  /** How long a write waits while the other side does not read, in ms. @default 30_000 */
  readonly stallTimeoutMs?: number | undefined;
  /** The error of a stream that broke off, by its cause. Null: E_TRUNCATED. @default null */
  readonly explain?: ((cause: Error | null) => QvacError | null) | undefined;
}

/** Bytes of the length before each frame (protocol section 4). */
const lengthBytes = 4;
/** How long `close` waits for unfinished writes, in ms. */
const closeTimeoutMs = 5_000;

/** One side's frames over a libp2p stream. Listens from its construction on, so that it misses nothing. */
export class LibP2PFrameStream implements FrameStream {
  readonly remote: FrameStream['remote'];
  readonly #stream: Stream;
  readonly #writer: PieceWriter;
  readonly #inbox: Inbox;
  readonly #explain: FrameStreamOptions['explain'];
  #reading = false;
  #remoteEnded: boolean;
  #closed = false;
  #failure: Error | null = null;

  constructor(stream: Stream, remote: FrameStream['remote'], options: FrameStreamOptions = {}) {
    this.#stream = stream;
    this.remote = remote;
    this.#explain = options.explain;
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
    // A broken connection closes the remote's writing side as well: the remote ended only if the stream is still open.
    this.#remoteEnded = !this.#closed && stream.remoteWriteStatus === 'closed';
    this.#inbox = new Inbox(stream, (error) => this.abort(error));
    stream.addEventListener('remoteCloseWrite', () => {
      this.#remoteEnded = true;
      this.#inbox.notify();
    });
    stream.addEventListener('close', (event) => {
      this.#closed = true;
      this.#failure ??= event.error ?? null;
      this.#inbox.notify();
    });
  }

  read<T extends FrameType>(allowed: readonly T[], options: FrameStreamCallOptions = {}): Promise<FrameOf<T> | null> {
    return this.#read(allowed, options, (frame: FrameOf<T>) => frame);
  }

  readRaw<T extends FrameType>(allowed: readonly T[], options: AbortOptions = {}): Promise<RawFrame<T> | null> {
    return this.#read(allowed, options, (frame: FrameOf<T>, view) => ({ frame, bytes: view.slice() }));
  }

  /** @param pick makes the result of a frame and of a view of its bytes, which is valid during the call */
  async #read<T extends FrameType, Result>(
    allowed: readonly T[],
    { signal, ...options }: FrameStreamCallOptions,
    pick: (frame: FrameOf<T>, view: Uint8Array) => Result,
  ): Promise<Result | null> {
    if (this.#reading) throw new Error('a read of this stream is under way');
    this.#reading = true;
    try {
      for (;;) {
        signal?.throwIfAborted();
        this.#inbox.forgetChanges();
        const size = this.#nextSize(allowed, options);
        if (size !== null) return this.#cut(size, allowed, options, pick);
        if (this.#stream.readBufferLength === 0 && !this.#inbox.hasChanged) {
          if (this.#remoteEnded && this.#inbox.length === 0) return null;
          if (this.#remoteEnded || this.#closed) throw this.#truncated();
        }
        await this.#inbox.changed(signal);
      }
    } finally {
      this.#reading = false;
      this.#inbox.needs(0);
    }
  }

  async write(frame: Frame, { signal, ...options }: FrameStreamCallOptions = {}): Promise<void> {
    await this.forward(encodeFrame(frame, options), { signal });
  }

  async forward(bytes: Uint8Array, options: AbortOptions = {}): Promise<void> {
    await this.#writer.write(bytes, options.signal);
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
    this.#inbox.notify();
  }

  /** After `close`: discards what still arrives, and resets the stream if the other side does not end in time. */
  async linger(timeoutMs: number): Promise<void> {
    this.#inbox.discard();
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      while (!this.#remoteEnded && !this.#closed) {
        this.#inbox.forgetChanges();
        await this.#inbox.changed(signal);
      }
    } catch {
      this.abort(new Error('the other side does not end the stream'));
    }
  }

  /** Bytes of the next frame, its length included, or null until all of it has arrived. */
  #nextSize(allowed: readonly FrameType[], options: FrameOptions): number | null {
    const length = this.#inbox.peekU32();
    const most = maxFrameBytes(allowed, options);
    if (length !== null && length > most) throw this.#bad(`a frame of ${length} bytes where ${most} are the most`);
    const size = lengthBytes + (length ?? 0);
    if (length !== null && this.#inbox.length >= size) return size;
    this.#inbox.needs(size);
    return null;
  }

  /** Decodes the next frame in place and removes it from the inbox. */
  #cut<T extends FrameType, Result>(
    size: number,
    allowed: readonly T[],
    options: FrameOptions,
    pick: (frame: FrameOf<T>, view: Uint8Array) => Result,
  ): Result {
    return this.#inbox.cut(size, (view) => {
      try {
        // `decodeFrame` returns the allowed types alone.
        return pick(decodeFrame(view.subarray(lengthBytes), allowed, options) as FrameOf<T>, view);
      } catch (error) {
        if (error instanceof MalformedError) throw this.#bad(error.message, error);
        throw error;
      }
    });
  }

  #truncated(): QvacError {
    if (this.#failure instanceof QvacError) return this.#failure;
    return (
      this.#explain?.(this.#failure) ??
      new QvacError('E_TRUNCATED', `the connection to ${shortPeer(this.remote.peer)} broke off`, {
        cause: this.#failure ?? undefined,
      })
    );
  }

  #bad(what: string, cause?: unknown): QvacError {
    return new QvacError('E_BAD_PEER', `${shortPeer(this.remote.peer)} broke the protocol: ${what}`, { cause });
  }
}

/**
 * The next frame.
 * @throws QvacError E_TIMEOUT after `timeoutMs`, and as `stream.read`
 * @throws the signal's reason if it aborts
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
