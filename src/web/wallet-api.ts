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

/** A channel of the wallet that has not ended (src/gateway/page/page-channels.ts). Amounts are lamports. */
export interface WalletChannel {
  readonly channel: string;
  readonly provider: string;
  readonly payee: string;
  readonly deposit: string;
  readonly committed: string;
  readonly released: string;
  readonly underWay: string;
  /** Answers that passed; null: another gateway knows. */
  readonly answers: number | null;
  readonly state: 'open' | 'closing' | 'alone' | 'requested' | 'due' | 'rent' | 'elsewhere' | 'commands';
  readonly at: number | null;
  readonly isObjectionDue: boolean;
  readonly objectUntil: number;
}

export interface EndedChannel {
  readonly channel: string;
  readonly provider: string;
  readonly state: string;
  readonly answers: number;
  readonly at: number | null;
  readonly fees: string;
  readonly paid: string;
  readonly refunded: string;
  readonly burnt: string;
  readonly compensation: string;
}

export interface WalletOverview {
  readonly address: string;
  readonly chain: string;
  readonly program: string;
  readonly balance: string;
  readonly now: number;
  readonly jobs: readonly WalletJob[];
  readonly channels: readonly WalletChannel[];
  /** Since the gateway started. */
  readonly ended: readonly EndedChannel[];
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

/** Closes a channel, or takes the next step towards its end. Resolves once the wallet has signed, if it has to. */
export async function closeChannel(address: string, channel: string): Promise<void> {
  await request(`/qvac/wallets/${encodeURIComponent(address)}/channels/${channel}`, {
    method: 'POST',
    body: JSON.stringify({ action: 'close' }),
  });
}
