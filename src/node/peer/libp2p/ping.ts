import { randomBytes } from 'node:crypto';
import { type AbortOptions, type DialTarget, type Stream, serviceCapabilities } from '@libp2p/interface';
import type { KadDHTComponents } from '@libp2p/kad-dht';
import type { Ping } from '@libp2p/ping';
import { toError } from '../../../errors.ts';
import { concat, equalBytes } from '../../../lib/bytes.ts';

const protocol = '/ipfs/ping/1.0.0';
const pingBytes = 32;
/** The routing table pings several peers, and one peer several times, at once. */
const maxStreams = 32;
/** An echo stream without a message for this long is reset, in ms. */
const idleMs = 30_000;
/** Deadline of a ping that has no signal, in ms. */
const timeoutMs = 5_000;

type Components = Pick<KadDHTComponents, 'registrar' | 'connectionManager'>;

/**
 * The libp2p ping protocol, which the routing table needs. libp2p's own service buffers without bound for a peer that
 * does not read its echoes; this one resets the stream.
 */
export function boundedPing(): (components: Components) => Ping {
  return (components) => new BoundedPing(components);
}

class BoundedPing implements Ping {
  readonly [serviceCapabilities] = ['@libp2p/ping'];
  readonly #components: Components;

  constructor(components: Components) {
    this.#components = components;
  }

  async start(): Promise<void> {
    await this.#components.registrar.handle(protocol, echo, {
      maxInboundStreams: maxStreams,
      maxOutboundStreams: maxStreams,
    });
  }

  async stop(): Promise<void> {
    await this.#components.registrar.unhandle(protocol);
  }

  async ping(peer: DialTarget, options: AbortOptions = {}): Promise<number> {
    const signal = options.signal ?? AbortSignal.timeout(timeoutMs);
    const connection = await this.#components.connectionManager.openConnection(peer, { signal });
    const stream = await connection.newStream(protocol, { signal, maxOutboundStreams: maxStreams });
    const began = performance.now();
    try {
      await exchange(stream, randomBytes(pingBytes), signal);
      return Math.round(performance.now() - began);
    } finally {
      stream.abort(new Error('done'));
    }
  }
}

/** Sends `question` and waits for the same bytes. */
function exchange(stream: Stream, question: Uint8Array, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    let answer: Uint8Array = new Uint8Array(0);
    const onAbort = (): void => reject(signal.reason as Error);
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    stream.addEventListener('close', () => {
      signal.removeEventListener('abort', onAbort);
      reject(new Error('the stream closed before the echo'));
    });
    stream.addEventListener('message', (event) => {
      answer = concat(answer, event.data.subarray());
      if (answer.length < question.length) return;
      if (equalBytes(answer, question)) resolve();
      else reject(new Error('a wrong echo'));
    });
    stream.send(question);
  });
}

function echo(stream: Stream): void {
  const timer = setTimeout(() => stream.abort(new Error('idle')), idleMs);
  stream.addEventListener('close', () => clearTimeout(timer));
  stream.addEventListener('remoteCloseWrite', () => {
    stream
      .close()
      .catch((error: unknown) => stream.abort(error instanceof Error ? error : new Error('the echo did not end')));
  });
  stream.addEventListener('message', (event) => {
    timer.refresh();
    // A throw in this listener would end the process.
    try {
      if (!stream.send(event.data)) stream.abort(new Error('the other side does not read'));
    } catch (error) {
      stream.abort(toError(error));
    }
  });
}
