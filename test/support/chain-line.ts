import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { setImmediate } from 'node:timers/promises';

/** One JSON-RPC request. */
export interface Call {
  readonly method: string;
  readonly params: readonly unknown[];
}

/** Where a call is held: before it reaches the chain, or after its execution, with its reply. */
export type HoldPoint = 'request' | 'answer';

export interface Held {
  /** Resolves when a matching call is held. */
  readonly reached: Promise<void>;
  /** Releases the held calls, except those that a process has aborted, and holds no more. */
  release(): void;
}

export interface Losing {
  /** Number of lost calls. */
  readonly count: number;
  end(): void;
}

/** One process's connection to a chain, on which a test can hold and lose calls. */
export interface ChainLine {
  /** For `--rpc`. */
  readonly url: string;
  /** From now on holds matching calls. */
  hold(at: HoldPoint, fits: (call: Call) => boolean): Held;
  /** From now on loses matching calls before they reach the chain, or their replies after the execution. */
  lose(at: HoldPoint, fits: (call: Call) => boolean): Losing;
  /** Number of calls of a method. */
  asked(method: string): number;
}

interface Hold {
  readonly at: HoldPoint;
  readonly fits: (call: Call) => boolean;
  readonly released: Promise<void>;
  reach(): void;
}

/** Transactions of this process, the `nth` from now on (from 1). */
export function transaction(nth = 1): (call: Call) => boolean {
  let seen = 0;
  return ({ method }) => method === 'sendTransaction' && ++seen >= nth;
}

/**
 * @param delayMs delay of every call. @default 0
 */
export async function openChainLine(
  context: TestContext,
  target: string,
  { delayMs = 0 }: { readonly delayMs?: number } = {},
): Promise<ChainLine> {
  const holds = new Set<Hold>();
  const losses = new Set<{ readonly at: HoldPoint; readonly fits: (call: Call) => boolean; count: number }>();
  const asked = new Map<string, number>();
  const pass = async (at: HoldPoint, matching: readonly Hold[]): Promise<void> => {
    for (const hold of matching) {
      if (hold.at !== at) continue;
      hold.reach();
      await hold.released;
      // What a killed process leaves behind is noticed some turns after its end.
      for (let turn = 0; turn < 10; turn++) await setImmediate();
    }
  };
  const server = createServer((incoming, response) => {
    const parts: Buffer[] = [];
    incoming
      .on('data', (part: Buffer) => parts.push(part))
      .on('end', () => {
        void (async () => {
          const body = Buffer.concat(parts);
          const call = JSON.parse(body.toString()) as Call;
          asked.set(call.method, (asked.get(call.method) ?? 0) + 1);
          const matching = [...holds].filter(({ fits }) => fits(call));
          const loss = [...losses].find(({ fits }) => fits(call));
          if (loss !== undefined) loss.count++;
          if (loss?.at === 'request') return void response.destroy();
          if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
          await pass('request', matching);
          // A caller that was killed meanwhile never sent it.
          if (incoming.socket.destroyed || incoming.socket.readableEnded) return;
          const forwarded = request(
            target,
            { method: 'POST', headers: { 'content-type': 'application/json' } },
            (answer) => {
              if (loss !== undefined) return void answer.resume().on('end', () => response.destroy());
              void pass('answer', matching).then(() => {
                response.writeHead(answer.statusCode ?? 502, { 'content-type': 'application/json' });
                answer.pipe(response);
              });
            },
          );
          forwarded.on('error', () => response.destroy());
          forwarded.end(body);
        })();
      });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: (method) => asked.get(method) ?? 0,
    lose(at, fits) {
      const loss = { at, fits, count: 0 };
      losses.add(loss);
      return {
        get count() {
          return loss.count;
        },
        end: () => void losses.delete(loss),
      };
    },
    hold(at, fits) {
      const [reached, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      const hold: Hold = { at, fits, released: released.promise, reach: reached.resolve };
      holds.add(hold);
      return {
        reached: reached.promise,
        release() {
          holds.delete(hold);
          released.resolve();
        },
      };
    },
  };
}
