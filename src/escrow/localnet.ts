import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { QvacError } from '../errors.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import { acquireLock } from '../lib/lock.ts';
import { type Logger, silentLogger } from '../lib/log.ts';
import { addressText, chainOfGenesis, defaultProgramText } from './addresses.ts';
import { openChain } from './localnet/chain.ts';
import { openLedger } from './localnet/ledger.ts';
import { serveRpc } from './localnet/rpc-server.ts';

export interface LocalnetInit {
  /** Where the chain is kept. One process at a time. */
  readonly dir: string;
  /** Port of the JSON-RPC on the loopback address; websockets are on the next one. 0: the system chooses. @default 0 */
  readonly port?: number;
  /** Ends after so long without a request or an open websocket. @default null: never */
  readonly idleMs?: number | null;
}

export interface LocalnetComponents {
  readonly clock?: Clock;
  readonly logger?: Logger;
}

/** A Solana chain in this process with the escrow program on it, for whoever is on this machine. */
export interface Localnet {
  /** For `openEscrow`, and for any client of Solana. */
  readonly rpcUrl: string;
  /** CAIP-2 */
  readonly chain: string;
  /** Resolves once it has ended, by `stop` or by idling. */
  readonly ended: Promise<void>;
  /** Idempotent. */
  stop(): Promise<void>;
}

/**
 * Starts the chain that is kept in `dir`; a new one, with a genesis of its own, where there is none.
 * @throws QvacError E_LOCKED where another process runs it, E_PORT_IN_USE, E_HOME
 */
export async function startLocalnet(
  { dir, port = 0, idleMs = null }: LocalnetInit,
  { clock = systemClock, logger = silentLogger }: LocalnetComponents = {},
): Promise<Localnet> {
  const release = await acquireLock(join(dir, 'lock'), 'the embedded chain of this home');
  try {
    const program = await readProgram();
    const ledger = await openLedger(join(dir, 'ledger.jsonl'), {
      version: 1,
      genesis: addressText(randomBytes(32)),
      startedAt: clock.now(),
    });
    const chain = openChain({ ledger, clock, programs: { [defaultProgramText]: program } });
    const server = await serveRpc(chain, port, logger);
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    let stopping: Promise<void> | null = null;
    const stop = (): Promise<void> => {
      stopping ??= (async () => {
        clearInterval(idling);
        await server.close();
        ledger.close();
        await release();
        resolve();
      })();
      return stopping;
    };
    const idling =
      idleMs === null
        ? undefined
        : setInterval(
            () => {
              if (server.watchers === 0 && performance.now() - server.lastUsed >= idleMs) void stop();
            },
            Math.min(idleMs, 1_000),
          );
    return { rpcUrl: `http://127.0.0.1:${server.port}`, chain: chainOfGenesis(chain.genesisHash), ended, stop };
  } catch (error) {
    await release();
    throw error;
  }
}

/** The committed program, from wherever this file runs: the sources or the bundle. */
async function readProgram(): Promise<Uint8Array> {
  const name = join('programs', 'escrow', 'artifacts', 'escrow.so');
  for (let dir = dirname(fileURLToPath(import.meta.url)); dir !== dirname(dir); dir = dirname(dir)) {
    if (existsSync(join(dir, name))) return readFile(join(dir, name));
  }
  throw new QvacError('E_HOME', `${name} is missing from this installation`, { hint: 'install qvac again' });
}
