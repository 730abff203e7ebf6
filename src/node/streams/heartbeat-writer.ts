import { QvacError, toError } from '../../errors.ts';
import type { AbortOptions } from '../../lib/types.ts';
import type { Frame } from '../../protocol/frames.ts';
import type { FrameStream } from './streams.ts';

export interface HeartbeatWriterInit {
  /** Silence after which we send a beat, in ms. */
  readonly beatMs: number;
}

/** Our side of a stream: frames in order, and a beat after a silence, until it ends or the other side is gone. */
export class HeartbeatWriter {
  readonly #stream: FrameStream;
  readonly #gone = new AbortController();
  /** One timer, restarted after each frame: a new one per frame costs more than the frame's own bookkeeping. */
  readonly #beat: NodeJS.Timeout;
  #writing: Promise<void> = Promise.resolve();
  #pending = 0;
  #ended = false;

  constructor(stream: FrameStream, init: HeartbeatWriterInit) {
    this.#stream = stream;
    this.#beat = setTimeout(() => {
      // A pending frame breaks the silence itself, and restarts the timer.
      if (this.#pending === 0) void this.send({ t: 'beat' });
    }, init.beatMs);
  }

  /** Aborts when nothing reaches the other side any more. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /**
   * Sends after all earlier frames; waits while the other side does not read. Does nothing once it is gone.
   * @throws the signal's reason if it aborted before the frame's turn
   */
  send(frame: Frame, options: AbortOptions = {}): Promise<void> {
    return this.#queue(() => this.#stream.write(frame, options), options);
  }

  /** Sends a frame that `FrameStream.readRaw` returned, byte for byte. @throws as `send` */
  forward(bytes: Uint8Array, options: AbortOptions = {}): Promise<void> {
    return this.#queue(() => this.#stream.forward(bytes, options), options);
  }

  /** Ends the stream after all frames. Idempotent, never throws. */
  async end(options: AbortOptions = {}): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#beat);
    await this.#writing;
    if (!this.gone.aborted) await this.#stream.close(options);
  }

  /** Sends an error frame and ends the stream. Never throws. */
  async fail(code: string, message: string): Promise<void> {
    if (this.#ended) return;
    await this.send({ t: 'error', code, message: message.slice(0, 500) });
    await this.end();
  }

  /** Sends `busy` and ends the stream. Never throws. */
  async turnAway(): Promise<void> {
    if (this.#ended) return;
    await this.send({ t: 'busy' });
    await this.end();
  }

  /** Nothing reaches the other side any more. */
  leave(): void {
    this.#ended = true;
    clearTimeout(this.#beat);
    this.#gone.abort(new QvacError('E_TRUNCATED', 'the client is gone'));
  }

  async #queue(write: () => Promise<void>, { signal }: AbortOptions): Promise<void> {
    this.#pending += 1;
    const turn = this.#writing.then(() => this.#write(write, signal));
    this.#writing = turn.catch(() => undefined);
    try {
      await turn;
    } finally {
      this.#pending -= 1;
      if (!this.#ended && this.#pending === 0) this.#beat.refresh();
    }
  }

  async #write(write: () => Promise<void>, signal: AbortSignal | undefined): Promise<void> {
    if (this.gone.aborted) return;
    signal?.throwIfAborted();
    try {
      await write();
    } catch (error) {
      // After a frame that may have left in part, nothing else can be said on this stream.
      this.#stream.abort(toError(error));
      this.leave();
    }
  }
}
