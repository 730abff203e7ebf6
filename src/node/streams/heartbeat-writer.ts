import { QvacError, toError } from '../../errors.ts';
import type { AbortOptions } from '../../lib/types.ts';
import type { Frame } from '../../protocol/frames.ts';
import type { FrameStream } from './streams.ts';

export interface HeartbeatWriterInit {
  /** Silence after which a beat of ours goes out, ms. */
  readonly beatMs: number;
}

/** Our side of a stream: frames in order, and a beat after a silence, until it is ended or the other side is gone. */
export class HeartbeatWriter {
  readonly #stream: FrameStream;
  readonly #beatMs: number;
  readonly #gone = new AbortController();
  #writing: Promise<void> = Promise.resolve();
  #pending = 0;
  #timer: NodeJS.Timeout | undefined;
  #ended = false;

  constructor(stream: FrameStream, init: HeartbeatWriterInit) {
    this.#stream = stream;
    this.#beatMs = init.beatMs;
    this.#restartBeat();
  }

  /** Aborts where nothing reaches the other side any more. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /**
   * Sends after all that was sent before; waits while the other side does not read. Does nothing once it is gone.
   * @throws the signal's reason where it aborted before the frame's turn
   */
  async send(frame: Frame, options: AbortOptions = {}): Promise<void> {
    this.#pending += 1;
    clearTimeout(this.#timer);
    const turn = this.#writing.then(() => this.#write(frame, options));
    this.#writing = turn.catch(() => undefined);
    try {
      await turn;
    } finally {
      this.#pending -= 1;
      this.#restartBeat();
    }
  }

  /** Ends the stream after what was sent. Idempotent, never throws. */
  async end(options: AbortOptions = {}): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#timer);
    await this.#writing;
    if (!this.gone.aborted) await this.#stream.close(options);
  }

  /** Says why nothing more comes, and ends the stream. Never throws. */
  async fail(code: string, message: string): Promise<void> {
    if (this.#ended) return;
    await this.send({ t: 'error', code, message: message.slice(0, 500) });
    await this.end();
  }

  /** Says that there is too much to do, and ends the stream. Never throws. */
  async turnAway(): Promise<void> {
    if (this.#ended) return;
    await this.send({ t: 'busy' });
    await this.end();
  }

  /** Nothing reaches the other side any more. */
  leave(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#gone.abort(new QvacError('E_TRUNCATED', 'the client is gone'));
  }

  async #write(frame: Frame, options: AbortOptions): Promise<void> {
    if (this.gone.aborted) return;
    options.signal?.throwIfAborted();
    try {
      await this.#stream.write(frame, options);
    } catch (error) {
      // A frame that may have gone out in part leaves nothing that could be said on this stream.
      this.#stream.abort(toError(error));
      this.leave();
    }
  }

  #restartBeat(): void {
    clearTimeout(this.#timer);
    if (this.#ended || this.#pending > 0) return;
    this.#timer = setTimeout(() => void this.send({ t: 'beat' }), this.#beatMs);
  }
}
