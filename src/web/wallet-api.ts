import { request } from './api.ts';

export interface WalletJob {
  readonly job: string;
  readonly amount: string;
  readonly payee: string;
  readonly provider: string;
  readonly createdAt: number;
  readonly refundAt: number;
  readonly submitted: { readonly at: number; readonly releaseAt: number; readonly payout: string } | null;
  /** Whether its answer failed a check. */
  readonly failed: boolean;
}

export interface WalletOverview {
  readonly address: string;
  readonly chain: string;
  readonly program: string;
  readonly walletChain: string;
  readonly balance: string;
  readonly now: number;
  readonly jobs: readonly WalletJob[];
}

export type JobAction = 'refund' | 'confirm' | 'reject';

/** Stands for the gateway's own wallet in place of an address. */
export const ownWallet = 'own';

export async function getWallet(address: string): Promise<WalletOverview> {
  return (await (await request(`/qvac/wallets/${encodeURIComponent(address)}`)).json()) as WalletOverview;
}

/** Moves a job's money. With a browser wallet, resolves once the wallet has signed. */
export async function actOnJob(address: string, job: string, action: JobAction): Promise<void> {
  await request(`/qvac/wallets/${encodeURIComponent(address)}/jobs/${job}`, {
    method: 'POST',
    body: JSON.stringify({ action }),
  });
}
