import type { ServerResponse } from 'node:http';

/** How long a client may leave data unread before its connection is closed, ms. */
const stallMs = 60_000;

/** Writes one HTTP response in order, no faster than the client reads it. */
export class EventWriter {
  readonly #outgoing: ServerResponse;
  readonly #closed = new AbortController();

  constructor(outgoing: ServerResponse) {
    this.#outgoing = outgoing;
    const close = (): void => {
      if (!outgoing.writableFinished) this.#closed.abort(new Error('the client closed the connection'));
    };
    // A broken connection also emits `close`; without a listener its `error` would end the process.
    outgoing.on('error', close);
    if (outgoing.destroyed) close();
    else outgoing.once('close', close);
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
}
