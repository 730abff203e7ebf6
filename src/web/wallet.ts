import { messageOf } from '../errors.ts';
import { walletChainOf } from './chains.ts';
import { sol } from './labels.ts';
import { objections } from './objections.ts';
import { keepText } from './storage.ts';
import { actOnJob, closeChannel, getWallet, type WalletJob, type WalletOverview } from './wallet-api.ts';

/** The part of the Wallet Standard that this page uses. */
interface Account {
  readonly address: string;
  readonly chains: readonly string[];
}

interface Features {
  readonly 'standard:connect'?: {
    connect(input?: { readonly silent?: boolean }): Promise<{ readonly accounts: readonly Account[] }>;
  };
  readonly 'standard:disconnect'?: { disconnect(): Promise<void> };
  readonly 'standard:events'?: {
    on(event: 'change', listener: (change: { readonly accounts?: readonly Account[] }) => void): () => void;
  };
  readonly 'solana:signTransaction'?: {
    signTransaction(input: {
      readonly account: Account;
      readonly transaction: Uint8Array;
      readonly chain: string;
    }): Promise<readonly { readonly signedTransaction: Uint8Array }[]>;
  };
}

export interface StandardWallet {
  readonly name: string;
  readonly icon: string;
  readonly features: Features;
}

const rememberedKey = 'qvac.wallet';

/** The wallets of this browser and the connected one. Keys stay in the wallet. */
class Wallets {
  readonly found: StandardWallet[] = [];
  wallet: StandardWallet | null = null;
  account: Account | null = null;
  overview: WalletOverview | null = null;
  readonly #listeners = new Set<() => void>();
  #forget: () => void = () => undefined;
  /** Numbers of the newest request for an overview, and of the newest that was answered. */
  #asked = 0;
  #answered = 0;

  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** Finds the wallets of this browser, present and future (Wallet Standard), and reconnects the last one used. */
  start(): void {
    const api = Object.freeze({
      register: (...wallets: readonly StandardWallet[]): (() => void) => {
        for (const wallet of wallets) this.#register(wallet);
        return () => undefined;
      },
    });
    addEventListener('wallet-standard:register-wallet', (event) =>
      (event as CustomEvent<(given: typeof api) => void>).detail(api),
    );
    dispatchEvent(new CustomEvent('wallet-standard:app-ready', { detail: api }));
  }

  #register(wallet: StandardWallet): void {
    const usable =
      wallet.features['standard:connect'] !== undefined && wallet.features['solana:signTransaction'] !== undefined;
    if (!usable || this.found.includes(wallet)) return;
    this.found.push(wallet);
    this.#changed();
    // A silent connect shows no dialog; a wallet that does not know this page stays disconnected.
    if (this.account === null && localStorage.getItem(rememberedKey) === wallet.name)
      this.connect(wallet, true).catch(() => undefined);
  }

  /** @throws Error with a sentence for the person, if the wallet is locked or refuses */
  async connect(wallet: StandardWallet, silent = false): Promise<void> {
    const accounts = await accountsOf(wallet, silent);
    if (silent && accounts.length === 0) return;
    this.#use(wallet, accounts);
    const forget = wallet.features['standard:events']?.on('change', ({ accounts: now }) => {
      if (now === undefined || this.wallet !== wallet) return;
      const same = now.find(({ address }) => address === this.account?.address);
      if (now.length === 0) this.disconnect();
      else if (same === undefined) {
        this.#use(wallet, now);
        this.refresh().catch(() => undefined);
      } else {
        // It may sign for other chains now.
        this.account = same;
        this.#changed();
      }
    });
    this.#forget();
    this.#forget = forget ?? (() => undefined);
    await this.refresh();
  }

  #use(wallet: StandardWallet, accounts: readonly Account[]): void {
    const account = accounts.find(({ chains }) => chains.some((chain) => chain.startsWith('solana:')));
    if (account === undefined)
      throw new Error(`${wallet.name} showed no Solana account. Open it, choose one, and connect again.`);
    this.wallet = wallet;
    this.account = account;
    this.overview = null;
    keepText(rememberedKey, wallet.name);
    this.#changed();
  }

  disconnect(): void {
    void this.wallet?.features['standard:disconnect']?.disconnect().catch(() => undefined);
    this.#forget();
    this.#forget = () => undefined;
    this.wallet = null;
    this.account = null;
    this.overview = null;
    localStorage.removeItem(rememberedKey);
    this.#changed();
  }

  /** Reads the wallet's balance, jobs and channels, and objects to answers that failed a check. */
  async refresh(): Promise<void> {
    const { account } = this;
    if (account === null) return;
    const number = ++this.#asked;
    const overview = await getWallet(account.address);
    // One that was asked for later may have arrived before.
    if (this.account?.address !== account.address || number < this.#answered) return;
    this.#answered = number;
    this.overview = overview;
    this.#changed();
    for (const { job, submitted } of overview.jobs.filter((each) => isRejectable(each, overview.now))) {
      const until = Date.now() + ((submitted?.releaseAt ?? 0) - overview.now);
      objections.raise({
        subject: job,
        until,
        object: () => actOnJob(account.address, job, 'reject'),
        isOpen: () => this.#isOpen(account, job),
      });
    }
    for (const { channel, objectUntil } of overview.channels.filter(({ isObjectionDue }) => isObjectionDue))
      objections.raise({
        subject: channel,
        until: Date.now() + (objectUntil - overview.now),
        object: () => closeChannel(account.address, channel),
        isOpen: () => this.#isOpen(account, channel),
      });
  }

  /** Looks whether the connected wallet can still object to a job or a channel. */
  async #isOpen(account: Account, subject: string): Promise<boolean> {
    if (this.account?.address !== account.address) return false;
    await this.refresh();
    const { overview } = this;
    if (overview === null) return true;
    return (
      overview.jobs.some((each) => each.job === subject && isRejectable(each, overview.now)) ||
      overview.channels.some(({ channel, isObjectionDue }) => channel === subject && isObjectionDue)
    );
  }

  /** Why the connected wallet cannot sign here, or null. */
  get unfit(): string | null {
    const { wallet, account, overview } = this;
    if (wallet === null || account === null || overview === null) return null;
    const chain = walletChainOf(overview.chain);
    if (account.chains.includes(chain)) return null;
    return (
      `${wallet.name} does not sign for this gateway’s chain (${chain}). Switch its network, ` +
      'or use the gateway’s own wallet.'
    );
  }

  /** The signed transaction. @throws Error with a sentence for the person */
  async sign(transaction: Uint8Array): Promise<Uint8Array> {
    const { wallet, account, overview } = this;
    const signing = wallet?.features['solana:signTransaction'];
    if (wallet === null || signing === undefined || account === null || overview === null)
      throw new Error('The wallet is disconnected. Connect it again under Money.');
    try {
      const [signed] = await signing.signTransaction({
        account,
        transaction,
        chain: walletChainOf(overview.chain),
      });
      if (signed === undefined) throw new Error('it returned nothing');
      return signed.signedTransaction;
    } catch (error) {
      throw new Error(`${wallet.name} did not sign: ${messageOf(error)}. Nothing was sent.`);
    }
  }

  /** The wallet's name and balance, in one line. */
  get words(): string | null {
    if (this.wallet === null) return null;
    return `${this.wallet.name}${this.overview === null ? '' : `, ${sol(BigInt(this.overview.balance))}`}`;
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}

/** Whether a job's answer failed a check and its provider is not due yet. */
function isRejectable({ failed, submitted }: WalletJob, now: number): boolean {
  return failed && submitted !== null && submitted.releaseAt > now;
}

/** Asks the wallet for its accounts. @throws Error with a sentence for the person */
async function accountsOf(wallet: StandardWallet, silent: boolean): Promise<readonly Account[]> {
  try {
    return (await wallet.features['standard:connect']?.connect(silent ? { silent } : undefined))?.accounts ?? [];
  } catch (error) {
    throw new Error(`${wallet.name} did not connect: ${messageOf(error)}. Unlock it and try again.`);
  }
}

export const wallets = new Wallets();
