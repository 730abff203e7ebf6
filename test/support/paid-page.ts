import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Page } from 'playwright-core';
import { addressText } from '../../src/escrow/addresses.ts';
import type { Escrow } from '../../src/escrow/escrow.ts';
import { openEscrow } from '../../src/escrow/program.ts';
import { createPageWallets, type PageWallets, type PageWalletsInit } from '../../src/gateway/page/page-wallets.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/log.ts';
import { createReceiptStore, type ReceiptStore } from '../../src/node/home/receipt-store.ts';
import { signingKeyFromSeed } from '../../src/proofs/signing.ts';
import { openPage } from './browser.ts';
import { startGateway, type TestClient, type TestGateway, type TestGatewayInit, testToken } from './gateway.ts';
import { temporaryHome } from './home.ts';
import type { TestProviderInit } from './market.ts';
import { clientPayments, type PaidProvider, providerPayments, SOL, startChain, type TestChain } from './payments.ts';
import type { ScriptedInit } from './scripted-engine.ts';
import { testWalletScript } from './test-wallet.ts';

const paidPrices = { priceIn: 100_000, priceOut: 2_000_000 };

export interface PaidMarketInit extends TestGatewayInit {
  /** How long a transaction waits for the person, ms, or what says so for each. */
  readonly patienceMs?: PageWalletsInit['patienceMs'];
  /** Micro-lamports per compute unit that browser wallets pay. @default 0 */
  readonly priorityFee?: number | undefined;
  /** Whether the gateway has its own wallet, which pays up to 0.5 SOL. @default false */
  readonly own?: boolean | undefined;
  /** Further providers at the same prices. @default 0 */
  readonly others?: number | undefined;
  /** Changes of the paid provider. */
  readonly provider?: TestProviderInit | undefined;
}

export interface PaidMarket extends TestGateway {
  readonly chain: TestChain;
  readonly paid: PaidProvider;
  /** The browser wallet's. */
  readonly seed: Uint8Array;
  readonly escrow: Escrow & { readonly wallet: Uint8Array };
  readonly address: string;
  readonly receipts: ReceiptStore;
  /** Folder of the wallets' channels. */
  readonly channelDir: string;
  /** The gateway's wallets, opened again as another run would. @param dir of the channels, if not the same */
  openWallets(dir?: string): PageWallets;
}

/** Starts a gateway over a paid provider on an embedded chain, and a wallet with 5 SOL. */
export async function startPaidMarket(
  context: TestContext,
  script: ScriptedInit,
  { patienceMs, priorityFee = 0, own = false, others = 0, provider, ...init }: PaidMarketInit = {},
): Promise<PaidMarket> {
  const chain = await startChain(context);
  const seed = Uint8Array.from(randomBytes(32));
  const wallet = signingKeyFromSeed(seed);
  const escrow = (await openEscrow({ rpcUrl: chain.rpcUrl, wallet, pollMs: 20 })) as PaidMarket['escrow'];
  await escrow.airdrop(5n * SOL);
  const home = await temporaryHome(context);
  const receipts = createReceiptStore(join(home, 'receipts'));
  const ownPays = own ? await clientPayments(context, chain) : null;
  let client: TestClient | undefined;
  const channelDir = join(home, 'channels');
  const openWallets = (dir = channelDir): PageWallets => {
    const { peer, discovery } = client ?? assert.fail('the gateway has no node yet');
    return createPageWallets(
      {
        openEscrow: (signer) => openEscrow({ rpcUrl: chain.rpcUrl, wallet: signer, priorityFee, pollMs: 20 }),
        openOwn: async () => ownPays?.escrow ?? null,
        receipts,
        channels: { peer, reach: (provider, options) => discovery.get(provider, options), clock: systemClock },
        logger: silentLogger,
      },
      { dir: join(home, 'locked'), channelDir: dir, sweepMs: 500, patienceMs },
    );
  };
  let paid: PaidProvider | undefined;
  const payments = async (peer: Parameters<typeof providerPayments>[2]) => {
    paid = await providerPayments(context, chain, peer);
    return paid.payments;
  };
  const other = {
    offering: paidPrices,
    payments: async (peer: Parameters<typeof providerPayments>[2]) =>
      (await providerPayments(context, chain, peer)).payments,
  };
  const started = await startGateway(context, {
    providers: [
      { script, offering: paidPrices, payments, ...provider },
      ...Array.from({ length: others }, () => other),
    ],
    wallets: (made) => {
      client = made;
      const wallets = openWallets();
      void wallets.start();
      return wallets;
    },
    receipts,
    payments: ownPays?.payments,
    ...init,
  });
  if (paid === undefined) throw new Error('it is not paid');
  return {
    ...started,
    chain,
    paid,
    seed,
    escrow,
    address: addressText(wallet.publicKey),
    receipts,
    channelDir,
    openWallets,
  };
}

/** Opens the page over `market` with a wallet in the browser. */
export async function openWalletPage(
  context: TestContext,
  { url, seed }: Pick<PaidMarket, 'url' | 'seed'>,
): Promise<Awaited<ReturnType<typeof openPage>>> {
  const opened = await openPage(context, url);
  await opened.page.addInitScript(testWalletScript(seed));
  await opened.page.goto(`${url}/#token=${testToken}`);
  return opened;
}

/** Connects the wallet under Money and allows 0.5 SOL per answer. */
export async function connectWallet(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Money', exact: true }).click();
  await page.getByRole('button', { name: 'Connect Test Wallet' }).click();
  await page.getByText('5 SOL', { exact: true }).waitFor();
  await page.getByLabel('The most that one answer may cost you, in SOL').fill('0.5');
  await page.keyboard.press('Tab');
  await page.getByRole('button', { name: 'Chat', exact: true }).click();
}

export async function askOnPage(page: Page, question: string): Promise<void> {
  await page.getByLabel('Your question').fill(question);
  await page.keyboard.press('Enter');
}
