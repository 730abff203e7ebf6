import type { ServerResponse } from 'node:http';

/** How long a client may leave data unread before its connection is closed, ms. */
const stallMs = 60_000;
/** Pauses between the first writes that test whether a client is gone, ms. */
const probePausesMs = [50, 200, 1_000, 5_000];
const lastProbePauseMs = 15_000;

/** Writes one HTTP response in order, no faster than the client reads it. */
export class EventWriter {
  readonly #outgoing: ServerResponse;
  readonly #probe: string;
  readonly #closed = new AbortController();
  #probeTimer: NodeJS.Timeout | undefined;

  /** @param probe text without meaning that the stream may contain, such as a comment; '' if there is none */
  constructor(outgoing: ServerResponse, probe: string) {
    this.#outgoing = outgoing;
    this.#probe = probe;
    const { socket } = outgoing.req;
    const onEnd = (): void => this.#probeClient();
    const close = (): void => {
      socket.off('end', onEnd);
      clearTimeout(this.#probeTimer);
      if (!outgoing.writableFinished) this.#closed.abort(new Error('the client closed the connection'));
    };
    // A broken connection also emits `close`; without a listener its `error` would end the process.
    outgoing.on('error', close);
    if (outgoing.destroyed) close();
    else {
      outgoing.once('close', close);
      if (socket.readableEnded) onEnd();
      else socket.once('end', onEnd);
    }
  }

  /** Aborts if the client closes the connection before the response is complete. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  get headersSent(): boolean {
    return this.#outgoing.headersSent;
  }

  head(status: number, headers: Readonly<Record<string, string>>): void {
    if (!this.closed.aborted && !this.headersSent) this.#outgoing.writeHead(status, headers);
  }

  /** Resolves when the client can take more data, or closed the connection. */
  async write(text: string): Promise<void> {
    if (text === '' || this.closed.aborted) return;
    if (this.#outgoing.write(text)) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => this.#outgoing.destroy(), stallMs);
      const done = (): void => {
        clearTimeout(timer);
        this.#outgoing.off('drain', done);
        this.closed.removeEventListener('abort', done);
        resolve();
      };
      this.#outgoing.on('drain', done);
      this.closed.addEventListener('abort', done);
    });
  }

  end(text: string): void {
    if (!this.closed.aborted) this.#outgoing.end(text);
  }

  /**
   * The client ended its side of the connection: it will send no more, or it is gone. Only a write tells, since the
   * machine of a client that is gone resets the connection, and the next write after that fails. So send text without
   * meaning, again and again; every HTTP/1.1 client skips `100 Continue`.
   */
  #probeClient(attempt = 0): void {
    if (this.closed.aborted || this.#outgoing.writableEnded) return;
    if (!this.headersSent) this.#outgoing.writeContinue();
    else void this.write(this.#probe);
    const pauseMs = probePausesMs[attempt] ?? lastProbePauseMs;
    this.#probeTimer = setTimeout(() => this.#probeClient(attempt + 1), pauseMs);
  }
}
