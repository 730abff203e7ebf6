import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Config } from '../../config.ts';
import type { AbortOptions } from '../../lib/types.ts';

/** Seconds without use after which an embedded chain that a command started ends itself. */
const chainIdleSeconds = 600;

const endpoints = { devnet: 'https://api.devnet.solana.com', mainnet: 'https://api.mainnet-beta.solana.com' } as const;

/** Whether the configuration uses the home's own embedded chain. */
export function isEmbedded({ settings }: Config): boolean {
  return settings.rpc === null && (settings.private !== null || settings.network === 'local');
}

/**
 * Whether the lamports of the configured chain are play money: the home's embedded chain, or a chain on this machine
 * for network `local` or a private network.
 */
export function isPlay(config: Config): boolean {
  const { rpc, network, private: privateNetwork } = config.settings;
  if (privateNetwork === null && network !== 'local') return false;
  return rpc === null || ['127.0.0.1', 'localhost', '[::1]'].includes(new URL(rpc).hostname);
}

/** The JSON-RPC endpoint that the configuration names; null if it uses the home's embedded chain. */
export function namedEndpoint(config: Config): string | null {
  const { rpc, network } = config.settings;
  if (rpc !== null) return rpc;
  return isEmbedded(config) || network === 'local' ? null : endpoints[network];
}

/**
 * The JSON-RPC endpoint of the configured chain. Starts the embedded chain if it does not run.
 * @throws QvacError E_CHAIN if the embedded chain does not start
 */
export async function endpointOf(config: Config, options: AbortOptions = {}): Promise<string> {
  const named = namedEndpoint(config);
  if (named !== null) return named;
  const { ensureHomeChain } = await import('../../escrow/home-chain.ts');
  return (await ensureHomeChain(config.home, () => startChainProcess(config), options)).rpcUrl;
}

/** Runs `qvac chain` in a process of its own, so that the chain outlives the command that first needed it. */
function startChainProcess({ home }: Config): void {
  // Bundled, this file is a chunk in dist/chunks/.
  const main = fileURLToPath(
    new URL(import.meta.url.endsWith('.ts') ? '../../main.ts' : '../main.js', import.meta.url),
  );
  const child = spawn(
    process.execPath,
    [main, 'chain', '--home', home.root, '--idle', String(chainIdleSeconds), '--quiet'],
    { detached: true, stdio: 'ignore' },
  );
  // ensureHomeChain reports a chain that does not start.
  child.on('error', () => undefined);
  child.unref();
}

/** The common name of a CAIP-2 chain id, or the id itself. */
export async function chainName(chain: string): Promise<string> {
  const { chainNames } = await import('../../escrow/addresses.ts');
  return chainNames[chain] ?? chain;
}
