import type { Hono } from 'hono';
import { addressText, chainNames } from '../../escrow/addresses.ts';
import type { JobAccount } from '../../escrow/escrow.ts';
import { toHex } from '../../lib/bytes.ts';
import { Fields } from '../api/fields.ts';
import { parseJson } from '../api/json.ts';
import type { AppComponents, Bindings } from '../app.ts';
import { readBody } from '../guard/body.ts';
import { badField, Problem } from '../problem.ts';

const mostBodyBytes = 8_192;

/** What wallets call the chains. */
const walletChains: Readonly<Record<string, string>> = { 'Solana mainnet': 'solana:mainnet', 'Solana devnet': 'solana:devnet' };

/** What a wallet in the page needs: what it holds, what it is to sign. */
export function addWalletRoutes(app: Hono<Bindings>, { wallets, signal }: AppComponents): void {
  const needed = () => {
    if (wallets === null) throw new Problem(404, 'E_NOT_FOUND', 'this gateway has no chain');
    return wallets;
  };
  app.get('/qvac/wallets/:address', async (c) => {
    const { chain, balance, now, jobs } = await needed().overviewOf(c.req.param('address'), { signal });
    return c.json({ chain, walletChain: walletChains[chainNames[chain] ?? ''] ?? 'solana:localnet', balance: balance.toString(), now, jobs: jobs.map(jobOf) });
  });
  app.get('/qvac/wallets/:address/requests', (c) => {
    const requests = needed().signatures.pendingOf(c.req.param('address'));
    return c.json({ requests: requests.map(({ id, purpose, transaction, expiresAt }) => ({ id, purpose, transaction: Buffer.from(transaction).toString('base64'), expiresAt })) });
  });
  app.post('/qvac/signatures/:id', async (c) => {
    const fields = new Fields(parseJson(await readBody(c.env.incoming, mostBodyBytes)));
    const refused = fields.flag('refused') ?? false;
    const signed = fields.text('signed');
    fields.done();
    if (refused === (signed !== undefined)) throw badField('signed', 'expected either the signed transaction in base64 or refused: true');
    needed().signatures.answer(c.req.param('id'), signed === undefined ? null : Uint8Array.from(Buffer.from(signed, 'base64')));
    return c.json({ taken: true });
  });
}

function jobOf({ jobId, amount, provider, createdAt, refundAt, submitted }: JobAccount) {
  return {
    job: toHex(jobId),
    amount: amount.toString(),
    payee: addressText(provider),
    createdAt,
    refundAt,
    submitted: submitted === null ? null : { at: submitted.at, claimAt: submitted.claimAt, payout: submitted.payout.toString() },
  };
}
