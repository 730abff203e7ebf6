import type { Hono } from 'hono';
import type { JobAccount } from '../../escrow/accounts.ts';
import { addressText } from '../../escrow/addresses.ts';
import { toHex } from '../../lib/bytes.ts';
import { peerIdOf } from '../../proofs/signing.ts';
import { parseJson } from '../api/json.ts';
import { RequestFields } from '../api/request-fields.ts';
import { readBody } from '../guard/body.ts';
import { badField, Problem } from '../problem.ts';
import type { AppComponents, Bindings } from '../request-context.ts';
import type { EndedChannel, PageChannel } from './page-channels.ts';

const maxBodyBytes = 8_192;

/** Adds the page's routes for money: a wallet's balance, jobs and channels, signature requests, and actions. */
export function addWalletRoutes(app: Hono<Bindings>, { wallets, signal }: AppComponents): void {
  const needed = () => {
    if (wallets === null) throw new Problem(404, 'E_NOT_FOUND', 'this gateway has no chain');
    return wallets;
  };
  app.get('/qvac/wallets/:address', async (c) => {
    const overview = await needed().overviewOf(c.req.param('address'), { signal });
    const { address, chain, program, balance, now, jobs, channels, ended } = overview;
    return c.json({
      address,
      chain,
      program,
      balance: balance.toString(),
      now,
      jobs: jobs.map(({ job, failed }) => ({ ...jobOf(job), failed })),
      channels: channels.map(channelOf),
      ended: ended.map(endedOf),
    });
  });
  app.get('/qvac/wallets/:address/requests', (c) => {
    const requests = needed().signatures.pendingOf(c.req.param('address'));
    return c.json({
      requests: requests.map(({ id, purpose, transaction, expiresAt }) => ({
        id,
        purpose,
        transaction: transaction === null ? null : Buffer.from(transaction).toString('base64'),
        expiresInMs: expiresAt - Date.now(),
        deadlineInMs: 'deadline' in purpose ? purpose.deadline - Date.now() : null,
      })),
    });
  });
  app.post('/qvac/wallets/:address/jobs/:job', async (c) => {
    const fields = RequestFields.of(parseJson(await readBody(c.env.incoming, maxBodyBytes)));
    const action = fields.oneOf('action', ['refund', 'confirm', 'reject']);
    fields.finish();
    if (action === undefined) throw badField('action', 'action: expected refund, confirm or reject');
    await needed().act(c.req.param('address'), c.req.param('job'), action, { signal });
    return c.json({ done: true });
  });
  app.post('/qvac/wallets/:address/channels/:channel', async (c) => {
    const fields = RequestFields.of(parseJson(await readBody(c.env.incoming, maxBodyBytes)));
    const action = fields.oneOf('action', ['close']);
    fields.finish();
    if (action === undefined) throw badField('action', 'action: expected close');
    await needed().closeChannel(c.req.param('address'), c.req.param('channel'), { signal });
    return c.json({ done: true });
  });
  app.post('/qvac/signatures/:id', async (c) => {
    const fields = RequestFields.of(parseJson(await readBody(c.env.incoming, maxBodyBytes)));
    const refused = fields.flag('refused') ?? false;
    const agreed = fields.flag('agreed') ?? false;
    const signed = fields.text('signed');
    fields.finish();
    if ([refused, agreed, signed !== undefined].filter(Boolean).length !== 1)
      throw badField('signed', 'expected either the signed transaction in base64, agreed: true or refused: true');
    const { signatures } = needed();
    if (agreed) signatures.agree(c.req.param('id'));
    else
      signatures.answer(
        c.req.param('id'),
        signed === undefined ? null : Uint8Array.from(Buffer.from(signed, 'base64')),
      );
    return c.json({ taken: true });
  });
}

function jobOf({ jobId, amount, provider, peer, createdAt, refundAt, submitted }: JobAccount) {
  return {
    job: toHex(jobId),
    amount: amount.toString(),
    payee: addressText(provider),
    provider: peerIdOf(peer),
    createdAt,
    refundAt,
    submitted:
      submitted === null
        ? null
        : { at: submitted.at, releaseAt: submitted.releaseAt, payout: submitted.payout.toString() },
  };
}

function channelOf({ deposit, committed, released, underWay, ...facts }: PageChannel) {
  const amounts = { deposit, committed, released, underWay };
  return { ...facts, ...asText(amounts) };
}

function endedOf({ channel, provider, state, answers, fees, outcome }: EndedChannel) {
  const { paid = 0n, refunded = 0n, burnt = 0n, compensation = 0n, at = null } = outcome ?? {};
  return { channel, provider, state, answers, at, ...asText({ fees, paid, refunded, burnt, compensation }) };
}

/** Amounts of lamports as decimal text. */
function asText<Name extends string>(amounts: Readonly<Record<Name, bigint>>): Record<Name, string> {
  const texts = Object.entries<bigint>(amounts).map(([name, lamports]) => [name, lamports.toString()]);
  return Object.fromEntries(texts) as Record<Name, string>;
}
