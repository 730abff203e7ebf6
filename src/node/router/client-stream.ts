import { QvacError } from '../../errors.ts';
import { HeartbeatWriter, type HeartbeatWriterInit } from '../streams/heartbeat-writer.ts';
import type { FrameStream } from '../streams/streams.ts';

/**
 * The router's side of a client's stream after the `route` frame: writes frames with heartbeats, and listens for `stop`
 * and `challenge`.
 */
export class ClientStream extends HeartbeatWriter {
  readonly #stream: FrameStream;
  readonly #stop = new AbortController();
  readonly #challenged = Promise.withResolvers<Uint8Array | null>();
  readonly #isChallengeOptional: boolean;
  #answered = false;
  #broke: QvacError | null = null;

  /** @param init `isChallengeOptional`: after the final head, `stop` says that no challenge comes */
  constructor(stream: FrameStream, init: HeartbeatWriterInit & { readonly isChallengeOptional: boolean }) {
    super(stream, init);
    this.#stream = stream;
    this.#isChallengeOptional = init.isChallengeOptional;
    this.gone.addEventListener('abort', () => this.#endListening('the client left'));
    void this.#listen();
  }

  /** Aborts when the client, before the final head, sends `stop`, closes its stream or breaks the protocol. */
  get stopped(): AbortSignal {
    return this.#stop.signal;
  }

  /** How the client broke the protocol, or null. */
  get broke(): QvacError | null {
    return this.#broke;
  }

  /** The answer is complete: from now on `stop` is ignored, and the client may send its challenge. */
  expectChallenge(): void {
    this.#answered = true;
  }

  /** The secret; null if the client left, says that it sends none, or sends none within `timeoutMs`. */
  async challenge(timeoutMs: number): Promise<Uint8Array | null> {
    const timeout = Promise.withResolvers<null>();
    const timer = setTimeout(() => timeout.resolve(null), timeoutMs);
    try {
      return await Promise.race([this.#challenged.promise, timeout.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends the stream of a client that broke the protocol. */
  async refuse(error: QvacError): Promise<void> {
    this.#broke ??= error;
    await this.fail('bad-frame', error.message);
    this.leave();
  }

  /** Reads until the client closes its side. */
  async #listen(): Promise<void> {
    try {
      for (;;) {
        const frame = await this.#stream.read(['stop', 'challenge']);
        if (frame === null) break;
        if (frame.t === 'challenge') {
          if (!this.#answered) throw new QvacError('E_BAD_PEER', 'a challenge before the final head');
          this.#challenged.resolve(frame.secret);
        } else if (this.#answered) {
          if (this.#isChallengeOptional) this.#challenged.resolve(null);
        } else this.#stop.abort(new QvacError('E_INTERRUPTED', 'stopped by the client'));
      }
      this.#endListening('the client closed the stream');
    } catch (error) {
      if (error instanceof QvacError && error.code === 'E_BAD_PEER' && !this.ended) await this.refuse(error);
      else this.leave();
    }
  }

  /** A closed stream counts as a `stop` before the final head, and as no challenge after it. */
  #endListening(why: string): void {
    if (!this.#answered) this.#stop.abort(new QvacError('E_INTERRUPTED', why));
    this.#challenged.resolve(null);
  }
}
