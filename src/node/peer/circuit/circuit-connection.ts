import type { Stream } from '@libp2p/interface';
import { AbstractMultiaddrConnection, type AbstractMultiaddrConnectionInit, type SendResult } from '@libp2p/utils';
import { toError } from '../../../errors.ts';

/** A stream through a relay as a connection to the peer at its other end. */
export class CircuitConnection extends AbstractMultiaddrConnection {
  readonly #stream: Stream;
  #resuming = false;

  /** It sends from the start, and receives from `receive` on. */
  constructor(stream: Stream, init: Pick<AbstractMultiaddrConnectionInit, 'remoteAddr' | 'direction' | 'log'>) {
    super(init);
    this.#stream = stream;
    stream.addEventListener('drain', () => this.safeDispatchEvent('drain'));
    stream.addEventListener('close', (event) => {
      if (event.error === undefined) this.onTransportClosed();
      else this.abort(event.error);
    });
  }

  /** Receives what follows on the stream, which is paused, as `readMessage` leaves it. */
  receive(): void {
    this.#stream.addEventListener('message', (event) => {
      // A throw in this listener would end the process.
      try {
        this.onData(event.data);
        this.#endWithRemote();
      } catch (error) {
        this.abort(toError(error));
      }
    });
    this.#stream.addEventListener('remoteCloseWrite', () => this.#endWithRemote());
    if (this.#stream.readStatus === 'paused') this.#stream.resume();
    this.#endWithRemote();
  }

  /** As a socket, it is over when the other side writes nothing more and all of it was read. */
  #endWithRemote(): void {
    if (this.#stream.remoteWriteStatus !== 'closed' || this.#stream.readBufferLength > 0) return;
    this.#stream.close().catch((error: unknown) => this.#stream.abort(toError(error)));
    this.onTransportClosed();
  }

  override sendData(data: Parameters<AbstractMultiaddrConnection['sendData']>[0]): SendResult {
    return { sentBytes: data.byteLength, canSendMore: this.#stream.send(data) };
  }

  override async sendClose(options?: { readonly signal?: AbortSignal }): Promise<void> {
    await this.#stream.close(options);
  }

  override sendReset(error: Error): void {
    this.#stream.abort(error);
  }

  override sendPause(): void {
    // A pause inside `resume` would be undone by it.
    if (!this.#resuming && this.#stream.readStatus === 'readable') this.#stream.pause();
  }

  override sendResume(): void {
    if (this.#stream.readStatus !== 'paused') return;
    this.#resuming = true;
    try {
      this.#stream.resume();
    } finally {
      this.#resuming = false;
    }
    if (this.readStatus === 'paused') this.sendPause();
  }
}
