import type { ServerResponse } from 'node:http';

/** How long a client that does not read may hold up an answer, ms. */
const stallMs = 60_000;

/** Our side of one HTTP answer: written in order, no faster than it is read. */
export class Outlet {
  readonly #outgoing: ServerResponse;
  readonly #gone = new AbortController();

  constructor(outgoing: ServerResponse) {
    this.#outgoing = outgoing;
    const leave = (): void => {
      if (!outgoing.writableFinished) this.#gone.abort(new Error('the client is gone'));
    };
    // Nobody reads what a broken connection has to say.
    outgoing.on('error', leave);
    if (outgoing.destroyed) leave();
    else outgoing.once('close', leave);
  }

  /** Aborts where the client leaves before the end of its answer. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  get begun(): boolean {
    return this.#outgoing.headersSent;
  }

  head(status: number, headers: Readonly<Record<string, string>>): void {
    if (!this.gone.aborted && !this.begun) this.#outgoing.writeHead(status, headers);
  }

  /** Resolves when the client has room for more, or is gone. */
  async write(text: string): Promise<void> {
    if (text === '' || this.gone.aborted) return;
    if (this.#outgoing.write(text)) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => this.#outgoing.destroy(), stallMs);
      const done = (): void => {
        clearTimeout(timer);
        this.#outgoing.off('drain', done);
        this.gone.removeEventListener('abort', done);
        resolve();
      };
      this.#outgoing.on('drain', done);
      this.gone.addEventListener('abort', done);
    });
  }

  end(text: string): void {
    if (!this.gone.aborted) this.#outgoing.end(text);
  }
}
