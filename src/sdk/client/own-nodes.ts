import type { Config } from '../../config.ts';
import type { AskInit } from '../../node/client/ask-init.ts';
import { createRunFiles } from '../../node/home/run-files.ts';

/** The wallet of this home, if it has one: its provider is paid to it. */
export async function ownPayees({ home }: Config): Promise<readonly Uint8Array[]> {
  const { loadWallet } = await import('../../escrow/wallet.ts');
  const wallet = await loadWallet(home.wallet).catch(() => null);
  return wallet === null ? [] : [wallet.publicKey];
}

/** The configured router, else the home's own if it runs; null for direct jobs. */
export async function routerOf(config: Config): Promise<NonNullable<AskInit['router']> | null> {
  const { provider, router } = config.settings;
  if (router !== null) return { target: router, optional: false };
  if (provider !== null) return null;
  const own = await ownRouter(config);
  return own === null ? null : { target: own, optional: true };
}

/** An address of the router that runs in this home on the configured network, null if there is none. */
async function ownRouter({ home, networkName }: Config): Promise<string | null> {
  const running = await createRunFiles(home.run).list();
  const own = running.find(({ role, network }) => role === 'router' && network === networkName);
  return own === undefined ? null : (own.addrs[0] ?? own.peer);
}

/** Only auditors that the person chose, since an auditor sees the prompt. */
export async function auditorsOf(config: Config): Promise<readonly string[]> {
  return [config.settings.auditor, await ownRouter(config)].filter((auditor) => auditor !== null);
}
