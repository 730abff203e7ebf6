import { messageOf, QvacError } from '../../errors.ts';
import type { JobAccount } from '../../escrow/accounts.ts';
import { addressText, parseAddress } from '../../escrow/addresses.ts';
import type { Escrow, WalletKey } from '../../escrow/escrow.ts';
import { anySignal } from '../../lib/abort.ts';
import { toHex } from '../../lib/bytes.ts';
import type { Logger } from '../../lib/log.ts';
import { createSharedOpening } from '../../lib/shared-runs.ts';
import type { AbortOptions, JobId } from '../../lib/types.ts';
import type { ReceiptStore } from '../../node/home/receipt-store.ts';
import { slash } from '../../node/payment/dispute.ts';
import type { ChannelParts } from '../../node/payment/escrow-payments.ts';
import { keepOutcome } from '../../node/payment/outcome.ts';
import type { ClientPayments } from '../../node/payment/payments.ts';
import { assess } from '../../proofs/checks.ts';
import type { Receipt } from '../../proofs/receipt.ts';
import { sha256 } from '../../protocol/digests.ts';
import { decodeVerdict } from '../../protocol/validate.ts';
import { withConsent } from './consent.ts';
import { HeldWallets, type WalletChannelsView } from './held-wallets.ts';
import { type EndedChannel, foreignChannelOf, type PageChannel } from './page-channels.ts';
import { Signatures } from './signatures.ts';

export interface PageWalletsComponents {
  /** Opens the escrow of the configured chain with that wallet; null opens it read-only. */
  readonly openEscrow: (wallet: WalletKey | null, options: AbortOptions) => Promise<Escrow>;
  /** The same with the gateway's own wallet; resolves to null if it has none. @default it has none */
  readonly openOwn?: ((options: AbortOptions) => Promise<Escrow | null>) | undefined;
  /** Receipts hold the evidence for an objection, and keep how each job was settled. */
  readonly receipts: Pick<ReceiptStore, 'get' | 'settle'>;
  /** What browser wallets need to pay from channels. @default null: each answer has an account of its own */
  readonly channels?: Pick<ChannelParts, 'peer' | 'reach' | 'clock'> | null | undefined;
  readonly logger: Logger;
}

export interface PageWalletsInit {
  /** Folder for payments that are locked and not settled. */
  readonly dir: string;
  /** Folder for channels that have not ended, with a folder for each wallet. */
  readonly channelDir: string;
  /** Interval of going on with channels that are being closed or expire, ms. @default 10_000 */
  readonly sweepMs?: number | undefined;
  /** How long a transaction waits for a person, ms, or what says so for each. @default its blockhash's life, 50_000 */
  readonly patienceMs?: number | (() => number) | undefined;
}

/** What a person can do with a job whose money is locked. */
export type JobAction = 'refund' | 'confirm' | 'reject';

/** Stands for the gateway's own wallet in place of an address. */
const ownWallet = 'own';

/** Browser wallets, which sign transactions that the gateway builds, and the gateway's own wallet. */
export interface PageWallets {
  readonly signatures: Signatures;
  /**
   * Goes on with channels that earlier runs left, as far as no wallet has to sign, now and from time to time. Never
   * throws.
   */
  start(): Promise<void>;
  /** Payments from the wallet at `address` (base58). @throws QvacError E_USAGE if it is not an address */
  paymentsOf(address: string): ClientPayments;
  /** `payments` of the gateway's own wallet, each of which the person in `page` must approve. */
  withConsent(page: string, payments: ClientPayments): ClientPayments;
  /** A wallet's balance and its open jobs. @param address base58, or `own` */
  overviewOf(address: string, options?: AbortOptions): Promise<WalletOverview>;
  /**
   * Moves a job's money; a browser wallet has to sign. A rejection needs a receipt that proves the fault.
   * @throws QvacError E_NOT_FOUND if that wallet has no such open job, E_ESCROW if the action is not possible now
   */
  act(address: string, jobId: string, action: JobAction, options?: AbortOptions): Promise<void>;
  /**
   * Closes a channel of a browser wallet, or takes the next step towards its end. The wallet has to sign if the
   * provider does not help, or an answer failed. Resolves at once if that step is under way already.
   * @throws QvacError E_NOT_FOUND if that wallet has no such channel here, E_BUSY while it pays for an answer, E_LOCKED
   */
  closeChannel(address: string, channel: string, options?: AbortOptions): Promise<void>;
  stop(): Promise<void>;
}

export interface WalletOverview {
  /** base58 */
  readonly address: string;
  /** CAIP-2. */
  readonly chain: string;
  /** base58 of the escrow program. */
  readonly program: string;
  /** Lamports. */
  readonly balance: bigint;
  /** The chain's time, unix ms. */
  readonly now: number;
  /** Jobs that are not settled, newest first, and whether their answers failed a check. */
  readonly jobs: readonly { readonly job: JobAccount; readonly failed: boolean }[];
  /** Channels that have not ended, newest first. */
  readonly channels: readonly PageChannel[];
  /** Channels that have ended since the gateway started, newest first. */
  readonly ended: readonly EndedChannel[];
}

/** The gateway's own wallet pays the page by jobs: its channels are opened by programs. */
const nothingHeld: WalletChannelsView = { channels: [], ended: [] };

export function createPageWallets(components: PageWalletsComponents, init: PageWalletsInit): PageWallets {
  return new Wallets(components, init);
}

class Wallets implements PageWallets {
  readonly signatures: Signatures;
  readonly #components: PageWalletsComponents;
  readonly #held: HeldWallets;
  readonly #end = new AbortController();
  readonly #reader: (options: AbortOptions) => Promise<Escrow>;

  constructor(components: PageWalletsComponents, { patienceMs, ...init }: PageWalletsInit) {
    this.#components = components;
    this.#reader = createSharedOpening((options) => components.openEscrow(null, options));
    this.signatures = new Signatures({ patience: patienceMs });
    this.#held = new HeldWallets({ ...components, signatures: this.signatures }, init);
  }

  start(): Promise<void> {
    return this.#held.start();
  }

  paymentsOf(address: string): ClientPayments {
    return this.#held.of(address).payments;
  }

  withConsent(page: string, payments: ClientPayments): ClientPayments {
    return withConsent(payments, this.signatures, page);
  }

  async overviewOf(address: string, options: AbortOptions = {}): Promise<WalletOverview> {
    const escrow = address === ownWallet ? await this.#own(options) : await this.#reader(options);
    const publicKey = (address === ownWallet ? escrow.wallet : null) ?? parseAddress(address, 'wallet');
    const [balance, jobs, accounts, now] = await Promise.all([
      escrow.balance(publicKey, options),
      escrow.jobs({ client: publicKey }, options),
      escrow.channels({ payer: publicKey }, options),
      escrow.now(options),
    ]);
    const own = address === ownWallet ? nothingHeld : await this.#held.channelsOf(address, now, options);
    const here = new Set(own.channels.map(({ channel }) => channel));
    const foreign = accounts.filter(({ id }) => !here.has(toHex(id)));
    const newest = jobs.toSorted((a, b) => b.createdAt - a.createdAt);
    const failed = await Promise.all(newest.map(async ({ jobId }) => (await this.#objection(toHex(jobId))) !== null));
    return {
      address: addressText(publicKey),
      chain: escrow.chain,
      program: addressText(escrow.program),
      balance,
      now,
      jobs: newest.map((job, at) => ({ job, failed: failed[at] ?? false })),
      channels: [
        ...own.channels,
        ...foreign.map((account) => foreignChannelOf(account, address === ownWallet ? 'commands' : 'elsewhere')),
      ],
      ended: own.ended,
    };
  }

  closeChannel(address: string, channel: string, options: AbortOptions = {}): Promise<void> {
    return this.#held.closeChannel(address, channel, options);
  }

  async act(address: string, jobId: string, action: JobAction, options: AbortOptions = {}): Promise<void> {
    const escrow = address === ownWallet ? await this.#own(options) : await this.#held.of(address).open(options);
    const client = escrow.wallet ?? parseAddress(address, 'wallet');
    const job = (await escrow.jobs({ client }, options)).find((each) => toHex(each.jobId) === jobId);
    if (job === undefined) throw new QvacError('E_NOT_FOUND', 'this wallet has no open job with that id');
    const signal = anySignal(this.#end.signal, options.signal);
    if (action === 'refund') await escrow.refundJob(job, { signal });
    else if (action === 'confirm') await escrow.confirmJob(job, { signal });
    else await this.#object(escrow, job, { signal });
    const { receipts, logger } = this.#components;
    await keepOutcome(escrow, job, { stores: [receipts], logger }, { signal }).catch((error: unknown) =>
      logger.warn('the outcome of a job could not be read from the chain', {
        job: jobId,
        reason: messageOf(error),
      }),
    );
  }

  async stop(): Promise<void> {
    const reason = new QvacError('E_TERMINATED', 'the gateway is stopping');
    this.signatures.stop(reason);
    this.#end.abort(reason);
    await this.#held.stop(reason);
  }

  async #object(escrow: Escrow, job: JobAccount, options: AbortOptions): Promise<void> {
    // The same objection may already be waiting for the wallet.
    const asked = this.signatures
      .pendingOf(addressText(job.client))
      .some(({ purpose }) => 'job' in purpose && purpose.job === toHex(job.jobId) && 'deadline' in purpose);
    if (asked) return;
    const objection = await this.#objection(toHex(job.jobId));
    if (objection === null) throw new QvacError('E_ESCROW', 'the receipt of that answer shows no fault');
    const { receipt, digest } = objection;
    if ((await slash(escrow, { job }, { head: receipt.heads[0] ?? null, receipt }, options)) === null)
      await escrow.rejectJob(job, digest, options);
  }

  /** The evidence against an answer; null if there is none, or no receipt of it. */
  async #objection(jobId: string): Promise<{ readonly receipt: Receipt; readonly digest: Uint8Array } | null> {
    const receipt = await this.#components.receipts.get(jobId as JobId).then(
      (found) => found.receipt,
      () => null,
    );
    if (receipt === null) return null;
    const verdict = receipt.verdicts.find(({ body }) => decodeVerdict(body).result === 'fail');
    if (verdict === undefined && assess(receipt, {}).result !== 'fail') return null;
    return { receipt, digest: sha256(verdict?.body ?? receipt.offer.body) };
  }

  async #own(options: AbortOptions): Promise<Escrow> {
    const escrow = (await this.#components.openOwn?.(options)) ?? null;
    if (escrow === null)
      throw new QvacError('E_NOT_FOUND', 'this gateway has no wallet of its own', {
        hint: 'create one: qvac wallet new',
      });
    return escrow;
  }
}
