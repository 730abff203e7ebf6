import type { Connection, Stream, StreamHandler } from '@libp2p/interface';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/log.ts';
import { hopProtocol } from '../../src/node/peer/circuit/messages.ts';
import type { QvacNode } from '../../src/node/peer/libp2p.ts';
import type { PeerExtension } from '../../src/node/peer/peer.ts';
import { createRelayServer } from '../../src/node/relay/relay-server.ts';

/** An end of a circuit: the client that opened it, or the node with the reservation. */
export type CircuitEnd = 'client' | 'provider';

/** The product's relay, whose operator sees the stream to each end of a circuit before the relay uses it. */
export function tappedRelay(tap: (stream: Stream, end: CircuitEnd) => void): PeerExtension {
  const server = createRelayServer({ clock: systemClock, logger: silentLogger });
  const tapped = (stream: Stream, end: CircuitEnd): Stream => {
    tap(stream, end);
    return stream;
  };
  const handle = (node: QvacNode) => (protocol: string, handler: StreamHandler, options: object) =>
    node.handle(
      protocol,
      (stream, connection) => handler(protocol === hopProtocol ? tapped(stream, 'client') : stream, connection),
      options,
    );
  const toProvider = (connection: Connection): Connection =>
    replacing(connection, 'newStream', async (...args: Parameters<Connection['newStream']>) =>
      tapped(await connection.newStream(...args), 'provider'),
    );
  return {
    attach: (node) =>
      server.attach(
        replacing(
          replacing(node, 'handle', handle(node)),
          'getConnections',
          (...args: Parameters<QvacNode['getConnections']>) => node.getConnections(...args).map(toProvider),
        ),
      ),
    detach: () => server.detach(),
  };
}

function replacing<Target extends object>(target: Target, key: keyof Target, value: unknown): Target {
  return new Proxy(target, {
    get(_, wanted) {
      if (wanted === key) return value;
      const own: unknown = Reflect.get(target, wanted, target);
      return typeof own === 'function' ? own.bind(target) : own;
    },
  });
}

/** A relay that spoils what it carries, while its own connections work. */
export interface FaultyRelay {
  readonly extension: PeerExtension;
  /** Replaces the next pieces of bytes to `end`, one for each function, by what that returns. */
  spoil(end: CircuitEnd, ...changes: readonly ((piece: Uint8Array) => readonly Uint8Array[])[]): void;
  /**
   * Holds back what circuits carry to `ends`, those that are opened from now on, too.
   * @returns sends all of it on, and holds no more
   */
  hold(...ends: readonly CircuitEnd[]): () => void;
}

export function createFaultyRelay(): FaultyRelay {
  const lines = new Set<Line>();
  const changes: Record<CircuitEnd, ((piece: Uint8Array) => readonly Uint8Array[])[]> = { client: [], provider: [] };
  const heldEnds = new Set<CircuitEnd>();
  return {
    extension: tappedRelay((stream, end) => {
      const line = new Line(stream, end, (piece) => changes[end].shift()?.(piece) ?? [piece]);
      if (heldEnds.has(end)) line.hold();
      lines.add(line);
      stream.addEventListener('close', () => lines.delete(line));
    }),
    spoil: (end, ...more) => void changes[end].push(...more),
    hold(...ends) {
      for (const end of ends) heldEnds.add(end);
      for (const line of lines) if (heldEnds.has(line.end)) line.hold();
      return () => {
        heldEnds.clear();
        for (const line of lines) line.release();
      };
    },
  };
}

/** The way to one end of a circuit. */
class Line {
  readonly end: CircuitEnd;
  readonly #stream: Stream;
  readonly #send: Stream['send'];
  readonly #change: (piece: Uint8Array) => readonly Uint8Array[];
  #held: Uint8Array[] | null = null;

  constructor(stream: Stream, end: CircuitEnd, change: (piece: Uint8Array) => readonly Uint8Array[]) {
    this.#stream = stream;
    this.end = end;
    this.#send = stream.send.bind(stream);
    this.#change = change;
    stream.send = (data) => this.#take(data.slice());
  }

  hold(): void {
    this.#held ??= [];
  }

  release(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const piece of held) if (this.#stream.status === 'open') this.#send(piece);
  }

  #take(data: Uint8Array): boolean {
    const pieces = this.#change(data);
    if (this.#held === null) return pieces.map((piece) => this.#send(piece)).at(-1) ?? true;
    this.#held.push(...pieces);
    return true;
  }
}
