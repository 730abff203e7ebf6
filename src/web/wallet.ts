import { request } from './api.ts';

/** What of the Wallet Standard is used here. */
interface Account {
  readonly address: string;
  readonly chains: readonly string[];
}

interface Features {
  readonly 'standard:connect'?: { connect(): Promise<{ readonly accounts: readonly Account[] }> };
  readonly 'standard:disconnect'?: { disconnect(): Promise<void> };
  readonly 'solana:signTransaction'?: { signTransaction(input: { readonly account: Account; readonly transaction: Uint8Array; readonly chain: string }): Promise<readonly { readonly signedTransaction: Uint8Array }[]> };
}

export interface StandardWallet {
  readonly name: string;
  readonly icon: string;
  readonly features: Features;
}

export interface WalletJob {
  readonly job: string;
  readonly amount: string;
  readonly payee: string;
  readonly createdAt: number;
  readonly refundAt: number;
  readonly submitted: { readonly at: number; readonly claimAt: number; readonly payout: string } | null;
}

export interface WalletOverview {
  readonly chain: string;
  readonly walletChain: string;
  readonly balance: string;
  readonly now: number;
  readonly jobs: readonly WalletJob[];
}

export type Purpose =
  | { readonly kind: 'job_create'; readonly amount: string; readonly payee: string; readonly provider: string }
  | { readonly kind: 'job_reject'; readonly burnt: string; readonly refunded: string; readonly payee: string; readonly deadline: number }
  | { readonly kind: 'job_slash'; readonly refunded: string; readonly payee: string; readonly deadline: number };

export interface SignatureRequest {
  readonly id: string;
  readonly purpose: Purpose;
  /** base64 */
  readonly transaction: string;
  readonly expiresAt: number;
}

/** How often it is asked whether something is to be signed, ms. */
const everyMs = 700;

function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

function base64Of(bytes: Uint8Array): string {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
}

/** The wallets of this browser, and the one that is connected. Keys stay in it. */
class Wallets {
  readonly found: StandardWallet[] = [];
  wallet: StandardWallet | null = null;
  account: Account | null = null;
  overview: WalletOverview | null = null;
  readonly #listeners = new Set<() => void>();
  readonly #seen = new Set<string>();
  #onRequest: (request: SignatureRequest) => void = () => undefined;

  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** Calls `listener` once for each transaction that is to be signed. */
  onRequest(listener: (request: SignatureRequest) => void): void {
    this.#onRequest = listener;
  }

  /** Finds the wallets that are there, and those that come later (Wallet Standard). */
  start(): void {
    const api = Object.freeze({
      register: (...wallets: readonly StandardWallet[]): (() => void) => {
        for (const wallet of wallets) if (wallet.features['standard:connect'] !== undefined && wallet.features['solana:signTransaction'] !== undefined) this.found.push(wallet);
        this.#changed();
        return () => undefined;
      },
    });
    addEventListener('wallet-standard:register-wallet', (event) => ((event as CustomEvent<(given: typeof api) => void>).detail)(api));
    dispatchEvent(new CustomEvent('wallet-standard:app-ready', { detail: api }));
  }

  async connect(wallet: StandardWallet): Promise<void> {
    const { accounts = [] } = (await wallet.features['standard:connect']?.connect()) ?? {};
    const account = accounts.find(({ chains }) => chains.some((chain) => chain.startsWith('solana:'))) ?? accounts[0];
    if (account === undefined) throw new Error('the wallet showed no account');
    this.wallet = wallet;
    this.account = account;
    this.#changed();
    await this.refresh();
    void this.#watch(account.address);
  }

  disconnect(): void {
    void this.wallet?.features['standard:disconnect']?.disconnect().catch(() => undefined);
    this.wallet = null;
    this.account = null;
    this.overview = null;
    this.#changed();
  }

  async refresh(): Promise<void> {
    if (this.account === null) return;
    this.overview = (await (await request(`/qvac/wallets/${encodeURIComponent(this.account.address)}`)).json()) as WalletOverview;
    this.#changed();
  }

  /** Has the wallet sign, and sends the signature to the gateway. */
  async sign({ id, transaction }: SignatureRequest): Promise<void> {
    const { wallet, account, overview } = this;
    const signing = wallet?.features['solana:signTransaction'];
    if (signing === undefined || account === null) throw new Error('no wallet is connected');
    const [signed] = await signing.signTransaction({ account, transaction: bytesOf(transaction), chain: overview?.walletChain ?? 'solana:mainnet' });
    if (signed === undefined) throw new Error('the wallet did not sign');
    await request(`/qvac/signatures/${id}`, { method: 'POST', body: JSON.stringify({ signed: base64Of(signed.signedTransaction) }) });
  }

  async refuse({ id }: SignatureRequest): Promise<void> {
    await request(`/qvac/signatures/${id}`, { method: 'POST', body: JSON.stringify({ refused: true }) });
  }

  async #watch(address: string): Promise<void> {
    while (this.account?.address === address) {
      const requests = await this.#pending(address).catch(() => []);
      for (const each of requests) {
        if (this.#seen.has(each.id)) continue;
        this.#seen.add(each.id);
        this.#onRequest(each);
      }
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  }

  async #pending(address: string): Promise<readonly SignatureRequest[]> {
    const response = await request(`/qvac/wallets/${encodeURIComponent(address)}/requests`);
    return ((await response.json()) as { readonly requests: readonly SignatureRequest[] }).requests;
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}

export const wallets = new Wallets();
