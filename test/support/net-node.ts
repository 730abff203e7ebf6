import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { raceSignal } from '../../src/lib/abort.ts';
import type { PeerIdString } from '../../src/lib/types.ts';
import type { Reach } from '../../src/node/home/reach.ts';
import type { PeerInit } from '../../src/node/peer/peer.ts';

const script = fileURLToPath(new URL('./net-node-script.ts', import.meta.url));
/** For anything to happen, with a machine that is busy. */
const deadlineMs = 180_000;

export interface NetNodeInit extends Pick<PeerInit, 'listen' | 'announce' | 'reach' | 'relays'> {
  readonly role: 'provider' | 'client' | 'relay';
  /** Key file, made if it is missing. */
  readonly keyPath: string;
  readonly bootstrap?: readonly string[] | undefined;
  /** Milliseconds before each token of a provider. @default 0 */
  readonly stepMs?: number | undefined;
  /** File of the peers that a client has seen in earlier runs. @default null: not kept */
  readonly cachePath?: string | null | undefined;
}

export type NetNodeEvent =
  | { readonly event: 'reach'; readonly reach: Reach; readonly addrs: readonly string[]; readonly atMs: number }
  | { readonly event: 'connect' | 'direct' | 'disconnect'; readonly peer: PeerIdString; readonly atMs: number };

/** The outcome of a question. */
export interface NetAnswer {
  readonly provider: PeerIdString;
  readonly result: string;
  readonly tier: string;
  readonly tokens: number;
  readonly firstTextMs: number;
  /** From the start of the node. */
  readonly firstTextFromStartMs: number;
  readonly totalMs: number;
}

/** A provider, client or relay with scripted inference on a host of an emulated internet. */
export interface NetNode {
  readonly child: ChildProcess;
  readonly id: PeerIdString;
  /** The first address at which it listens; undefined for a client. */
  readonly address: string | undefined;
  readonly events: readonly NetNodeEvent[];
  /** The first event that fits, past or future, from `from` on. */
  until(fits: (event: NetNodeEvent) => boolean, from?: number): Promise<NetNodeEvent>;
  /**
   * Asks for an answer of `maxTokens`, and recomputes all of it. @param provider peer id or multiaddr; null: any
   * @throws Error with what failed
   */
  ask(provider: string | null, maxTokens?: number): Promise<NetAnswer>;
  /** Round trips of an empty question for the peer's card, in ms. */
  cardMs(peer: string): Promise<number>;
  /** What a relay does, its CPU time so far, and the memory of its process. */
  look(): Promise<NetRelay>;
  /** Closes all connections to a peer. */
  disconnect(peer: string): Promise<void>;
  /** Has a client write its cache, as at the end of a run. It finds no peers any more. */
  leave(): Promise<void>;
}

export type NetNodeCommand =
  | { readonly do: 'ask'; readonly provider: string | null; readonly maxTokens: number }
  | { readonly do: 'card'; readonly peer: string }
  | { readonly do: 'disconnect'; readonly peer: string }
  | { readonly do: 'look' | 'leave' };

export interface NetRelay {
  readonly circuits: number;
  /** Forwarded. */
  readonly bytes: number;
  readonly cpuUs: number;
  readonly memoryBytes: number;
}

/** Starts `net-node-script.ts` on a host. Killed with the test. */
export async function startNetNode(
  context: TestContext,
  internet: { spawn(host: string, command: string, args: readonly string[], stdin: 'pipe'): ChildProcess },
  host: string,
  init: NetNodeInit,
): Promise<NetNode> {
  const child = internet.spawn(host, process.execPath, [script, JSON.stringify(init)], 'pipe');
  const { stdin, stdout } = child;
  if (stdin === null || stdout === null) throw new Error('a node without pipes');
  context.after(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  });
  const events: NetNodeEvent[] = [];
  const answers: ((line: Record<string, unknown>) => void)[] = [];
  let changed = Promise.withResolvers<void>();
  const started = Promise.withResolvers<Pick<NetNode, 'id' | 'address'>>();
  child.on('exit', () => started.reject(new Error('the node ended')));
  createInterface({ input: stdout }).on('line', (line) => {
    const said = JSON.parse(line) as Record<string, unknown>;
    if (typeof said.id === 'string') started.resolve(said as unknown as Pick<NetNode, 'id' | 'address'>);
    else if (typeof said.event === 'string') {
      events.push(said as unknown as NetNodeEvent);
      changed.resolve();
      changed = Promise.withResolvers();
    } else answers.shift()?.(said);
  });
  const obey = async (command: NetNodeCommand): Promise<Record<string, unknown>> => {
    const answer = new Promise<Record<string, unknown>>((resolve) => answers.push(resolve));
    stdin.write(`${JSON.stringify(command)}\n`);
    const said = await raceSignal(answer, AbortSignal.timeout(deadlineMs));
    if (typeof said.error === 'string') throw new Error(said.error);
    return said;
  };
  const { id, address } = await raceSignal(started.promise, AbortSignal.timeout(deadlineMs));
  return {
    child,
    id,
    address,
    events,
    async until(fits, from = 0) {
      const signal = AbortSignal.timeout(deadlineMs);
      for (let at = from; ; at++) {
        while (at >= events.length) await raceSignal(changed.promise, signal);
        const event = events[at];
        if (event !== undefined && fits(event)) return event;
      }
    },
    ask: async (provider, maxTokens = 12) => (await obey({ do: 'ask', provider, maxTokens })) as unknown as NetAnswer,
    cardMs: async (peer) => Number((await obey({ do: 'card', peer })).ms),
    look: async () => (await obey({ do: 'look' })) as unknown as NetRelay,
    disconnect: async (peer) => void (await obey({ do: 'disconnect', peer })),
    leave: async () => void (await obey({ do: 'leave' })),
  };
}
