import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { addressText } from '../../src/escrow/addresses.ts';
import type { Escrow } from '../../src/escrow/escrow.ts';
import type { Localnet } from '../../src/escrow/localnet.ts';
import { openEscrow } from '../../src/escrow/program.ts';
import { type Clock, systemClock, type Timer } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/log.ts';
import {
  type EscrowPaymentsComponents as ClientPaymentsComponents,
  type EscrowPaymentsInit as ClientPaymentsInit,
  createEscrowPayments as createClientPayments,
} from '../../src/node/payment/escrow-payments.ts';
import type { ClientPayments } from '../../src/node/payment/payments.ts';
import { openSpendingLimits } from '../../src/node/payment/spending-limits.ts';
import type { Peer } from '../../src/node/peer/peer.ts';
import {
  createEscrowPayouts as createProviderPayments,
  type EscrowPayoutsInit as ProviderPaymentsInit,
} from '../../src/node/provider/payment/escrow-payouts.ts';
import type { ChannelNews, PaymentNews, ProviderPayouts } from '../../src/node/provider/payment/payouts.ts';
import { createSpendingAllowances, type SpendingAllowances } from '../../src/node/router/allowances.ts';
import { signingKeyFromSeed } from '../../src/proofs/signing.ts';
import { Events } from './events.ts';
import { temporaryHome } from './home.ts';
import { startQuietChain } from './quiet-chain.ts';

export const SOL = 1_000_000_000n;

/** The real program on an embedded chain whose clock a test can advance. */
export interface TestChain {
  readonly rpcUrl: string;
  readonly localnet: Localnet;
  /** Its folder. */
  readonly dir: string;
  /** A new wallet, with lamports. */
  wallet(lamports?: bigint): Promise<Escrow & { readonly wallet: Uint8Array }>;
  /** Airdrops lamports to a wallet. */
  fund(address: Uint8Array, lamports: bigint): Promise<void>;
  /** Advances the chain's clock, in seconds. */
  warp(seconds: number): Promise<void>;
  /** Runs before the chain stops: whoever is paid by it would wait for an answer of it. */
  beforeStop(run: () => Promise<void>): void;
}

export async function startChain(context: TestContext): Promise<TestChain> {
  const dir = await temporaryHome(context);
  const localnet = await startQuietChain(dir);
  const first: (() => Promise<void>)[] = [];
  context.after(async () => {
    for (const run of first) await run();
    await localnet.stop();
  });
  async function call(method: string, params: readonly unknown[]): Promise<void> {
    await fetch(localnet.rpcUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    });
  }
  return {
    rpcUrl: localnet.rpcUrl,
    localnet,
    dir,
    async wallet(lamports = 20n * SOL) {
      const escrow = await openEscrow({
        rpcUrl: localnet.rpcUrl,
        wallet: signingKeyFromSeed(randomBytes(32)),
        pollMs: 20,
      });
      if (lamports > 0n) await escrow.airdrop(lamports);
      return escrow as Escrow & { readonly wallet: Uint8Array };
    },
    fund: (address, lamports) => call('requestAirdrop', [addressText(address), Number(lamports)]),
    warp: (seconds) => call('qvac_warp', [seconds]),
    beforeStop: (run) => void first.push(run),
  };
}

/** Payment news, in the form that `Events` needs. */
export type PaymentEvent = {
  readonly [State in PaymentNews['state']]: { readonly event: State; readonly news: PaymentNews };
}[PaymentNews['state']];

/** The same of channels. */
export type ChannelEvent = {
  readonly [State in ChannelNews['state']]: { readonly event: State; readonly news: ChannelNews };
}[ChannelNews['state']];

export interface PaidProvider {
  readonly payments: ProviderPayouts;
  readonly escrow: Escrow & { readonly wallet: Uint8Array };
  readonly news: Events<PaymentEvent>;
  readonly channelNews: Events<ChannelEvent>;
  readonly dir: string;
  readonly channelDir: string;
  readonly stepDir: string;
}

/** The payouts of a registered provider with the node `peer`. */
export async function providerPayments(
  context: TestContext,
  chain: TestChain,
  peer: Peer,
  init: Partial<ProviderPaymentsInit> & {
    readonly escrow?: Escrow & { readonly wallet: Uint8Array };
    readonly clock?: Clock;
    readonly timer?: Pick<Timer, 'now'>;
  } = {},
): Promise<PaidProvider> {
  const escrow = init.escrow ?? (await chain.wallet());
  if ((await escrow.provider(escrow.wallet)) === null) await escrow.register({ node: peer.key, stake: 10n * SOL });
  const dir = init.dir ?? join(await temporaryHome(context), 'paid');
  const dirs = { dir, channelDir: join(dir, '..', 'channels'), stepDir: join(dir, '..', 'steps') };
  const news = new Events<PaymentEvent>();
  const channelNews = new Events<ChannelEvent>();
  const payments = createProviderPayments(
    { escrow, key: peer.key, clock: init.clock ?? systemClock, timer: init.timer, logger: silentLogger },
    {
      sweepMs: 200,
      ...init,
      ...dirs,
      onNews: (each) => news.push({ event: each.state, news: each }),
      onChannelNews: (each) => channelNews.push({ event: each.state, news: each }),
    },
  );
  chain.beforeStop(() => payments.stop());
  return { payments, escrow, news, channelNews, ...dirs };
}

export interface PaidClient {
  readonly payments: ClientPayments;
  readonly escrow: Escrow & { readonly wallet: Uint8Array };
  readonly dir: string;
}

export async function clientPayments(
  context: TestContext,
  chain: TestChain,
  init: Partial<ClientPaymentsInit> &
    Pick<ClientPaymentsComponents, 'receipts' | 'channels' | 'mayChallenge'> & {
      readonly escrow?: Escrow & { readonly wallet: Uint8Array };
    } = {},
): Promise<PaidClient> {
  const escrow = init.escrow ?? (await chain.wallet());
  const dir = init.dir ?? join(await temporaryHome(context), 'locked');
  const payments = createClientPayments(
    {
      openEscrow: async () => escrow,
      receipts: init.receipts,
      channels: init.channels,
      mayChallenge: init.mayChallenge,
      logger: silentLogger,
    },
    { ...init, dir },
  );
  chain.beforeStop(() => payments.stop());
  return { payments, escrow, dir };
}

/** Allowances without a limit, for every client of a router. */
export async function unlimitedAllowances(payments: ClientPayments): Promise<SpendingAllowances> {
  const components = { clock: systemClock, logger: silentLogger };
  const limits = await openSpendingLimits(components, { path: null, limitOf: () => null });
  return createSpendingAllowances({ payments, limits, logger: silentLogger });
}
