import { addressText, parseAddress } from '../../escrow/addresses.ts';
import type { Escrow, JobAccount, WalletKey } from '../../escrow/escrow.ts';
import type { Logger } from '../../lib/log.ts';
import type { AbortOptions } from '../../lib/types.ts';
import { createEscrowPayments } from '../../node/client/payment/escrow-payments.ts';
import type { ClientPayments } from '../../node/client/payment/payments.ts';
import { peerIdOf } from '../../proofs/signing.ts';
import { Signatures, type Purpose } from './signatures.ts';

export interface PageWalletsComponents {
  /** The escrow of the configured chain with that wallet; null only reads. */
  readonly openEscrow: (wallet: WalletKey | null, options: AbortOptions) => Promise<Escrow>;
  readonly logger: Logger;
}

export interface PageWalletsInit {
  /** Folder of what is locked and not settled. */
  readonly dir: string;
}

/** Wallets that people hold in their browsers: the gateway builds transactions, the wallet signs them. */
export interface PageWallets {
  readonly signatures: Signatures;
  /** Pays with the wallet at that address (base58). @throws QvacError E_USAGE where it is no address */
  paymentsOf(address: string): ClientPayments;
  /** What the wallet holds and where its money is. */
  overviewOf(address: string, options?: AbortOptions): Promise<WalletOverview>;
  stop(): Promise<void>;
}

export interface WalletOverview {
  /** CAIP-2. */
  readonly chain: string;
  /** Lamports. */
  readonly balance: bigint;
  /** The chain's time, unix ms. */
  readonly now: number;
  /** Jobs that are not settled, the newest first. */
  readonly jobs: readonly JobAccount[];
}

/** Wallets whose payments are held ready. */
const mostWallets = 32;

export function createPageWallets({ openEscrow, logger }: PageWalletsComponents, { dir }: PageWalletsInit): PageWallets {
  const signatures = new Signatures();
  const payments = new Map<string, ClientPayments>();
  let reading: Promise<Escrow> | null = null;
  const reader = (options: AbortOptions): Promise<Escrow> => {
    reading ??= openEscrow(null, options);
    reading.catch(() => (reading = null));
    return reading;
  };
  return {
    signatures,
    paymentsOf(address) {
      const known = payments.get(address);
      if (known !== undefined) return known;
      const publicKey = parseAddress(address, 'wallet');
      // An answer that passed needs no signature: its provider is paid when the time for a rejection is over.
      const made = createEscrowPayments({ openEscrow: (options) => signing(openEscrow, signatures, publicKey, options), logger }, { dir, confirms: false });
      payments.set(address, made);
      const [oldest] = payments.keys();
      if (payments.size > mostWallets && oldest !== undefined) payments.delete(oldest);
      return made;
    },
    async overviewOf(address, options = {}) {
      const publicKey = parseAddress(address, 'wallet');
      const escrow = await reader(options);
      const [balance, jobs, now] = await Promise.all([escrow.balance(publicKey, options), escrow.jobs({ client: publicKey }, options), escrow.now(options)]);
      return { chain: escrow.chain, balance, now, jobs: jobs.toSorted((a, b) => b.createdAt - a.createdAt) };
    },
    async stop() {
      await Promise.all([...payments.values()].map((each) => each.stop()));
    },
  };
}

/** The escrow with a wallet that signs in the page, one transaction after another, each with what it is for. */
async function signing(open: PageWalletsComponents['openEscrow'], signatures: Signatures, publicKey: Uint8Array, options: AbortOptions): Promise<Escrow> {
  const address = addressText(publicKey);
  let purpose: Purpose | null = null;
  let turn: Promise<unknown> = Promise.resolve();
  const wallet: WalletKey = {
    publicKey,
    sign(message) {
      if (purpose === null) throw new Error('a transaction without a purpose');
      return signatures.request(address, publicKey, message, purpose);
    },
  };
  const escrow = await open(wallet, options);
  /** A person signs one at a time. */
  const inTurn = <Value>(what: Purpose, run: () => Promise<Value>): Promise<Value> => {
    const done = turn.then(() => {
      purpose = what;
      return run();
    });
    turn = done.catch(() => undefined);
    return done;
  };
  const afterFailure = (job: { readonly provider: Uint8Array } & Partial<JobAccount>, kind: 'job_reject' | 'job_slash'): Purpose => {
    const { amount = 0n, submitted = null } = job;
    const [payee, deadline] = [addressText(job.provider), submitted?.claimAt ?? 0];
    if (kind === 'job_slash') return { kind, refunded: amount.toString(), payee, deadline };
    const burnt = submitted?.payout ?? 0n;
    return { kind, burnt: burnt.toString(), refunded: (amount - burnt).toString(), payee, deadline };
  };
  return {
    ...escrow,
    createJob: (init, calling) => inTurn({ kind: 'job_create', amount: init.terms.amount.toString(), payee: addressText(init.authority), provider: peerIdOf(init.terms.peer) }, () => escrow.createJob(init, calling)),
    rejectJob: (job, digest, calling) => inTurn(afterFailure(job, 'job_reject'), () => escrow.rejectJob(job, digest, calling)),
    slashEquivocation: (job, heads, calling) => inTurn(afterFailure(job, 'job_slash'), () => escrow.slashEquivocation(job, heads, calling)),
    slashHeadMismatch: (job, head, calling) => inTurn(afterFailure(job, 'job_slash'), () => escrow.slashHeadMismatch(job, head, calling)),
    slashSampler: (job, step, calling) => inTurn(afterFailure(job, 'job_slash'), () => escrow.slashSampler(job, step, calling)),
  };
}
