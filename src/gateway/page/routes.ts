import type { Hono } from 'hono';
import { QvacError } from '../../errors.ts';
import { toHex } from '../../lib/bytes.ts';
import type { JobId, PeerIdString } from '../../lib/types.ts';
import type { LivePeer } from '../../node/discovery/discovery.ts';
import { earlierReceipts } from '../../node/verification/answer-parts.ts';
import { type Receipt, serialiseReceipt } from '../../proofs/receipt.ts';
import { MalformedError } from '../../protocol/codec.ts';
import { dimensionsOf } from '../../protocol/embedding.ts';
import { parseJson } from '../api/json.ts';
import { RequestFields } from '../api/request-fields.ts';
import type { GatewayInit } from '../components.ts';
import { readBody } from '../guard/body.ts';
import { sessionPath } from '../guard/check.ts';
import { sameText } from '../guard/token.ts';
import { Problem } from '../problem.ts';
import { type AppComponents, type Bindings, type RequestContext, unreadiness } from '../request-context.ts';
import { refereesOf } from './referees.ts';
import { reportOf, summaryOf, verifiedOfWhole } from './report.ts';
import { addWalletRoutes } from './wallet-routes.ts';

/** Only the gateway's own files, no inline code, no frames, no HTML that was not sanitised. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  'trusted-types dompurify',
].join('; ');

const receiptType = 'application/vnd.qvac.receipt+json';
/** The most receipts that the page lists. */
const maxListed = 200;

/** Adds the page, its files and the routes that only the page uses. */
export function addPageRoutes(app: Hono<Bindings>, components: AppComponents, init: GatewayInit): void {
  const { assets, market, receipts } = components;
  addWalletRoutes(app, components);
  app.get('/', () => asset(components, '/'));
  app.get('/assets/:name', (c) => asset(components, c.req.path));
  app.get('/favicon.ico', (c) =>
    assets.get('/assets/icon.svg') === null ? c.body(null, 204) : asset(components, '/assets/icon.svg'),
  );
  app.post(sessionPath, async (c) => {
    const fields = RequestFields.of(parseJson(await readBody(c.env.incoming, 4_096)));
    const token = fields.text('token') ?? '';
    const { formerToken = null } = init;
    // A page that was open before a restart shows the token that let it in then.
    const known = sameText(token, init.token) || (formerToken !== null && sameText(token, formerToken));
    if (!known) throw new Problem(401, 'E_TOKEN', 'that is not a token of this gateway');
    return c.json({ token: init.token });
  });
  app.get('/qvac/state', (c) => {
    const { defaults, version, network } = init;
    const { temperature, maxTokens, verify, referees, maxPrice } = defaults;
    return c.json({
      version,
      network,
      notReady: unreadiness(components),
      defaults: { model: defaults.model, temperature, maxTokens, verify, referees, maxPrice },
    });
  });
  app.get('/qvac/peers', (c) =>
    c.json({ peers: market.live().map((live) => ({ ...peerOf(live), record: recordOf(components, live.peer) })) }),
  );
  app.post('/qvac/answers/:id/stop', (c) => {
    const answering = components.running.get(c.req.param('id'));
    if (answering === undefined) throw new Problem(404, 'E_NOT_FOUND', 'that answer is complete');
    answering.stop();
    return c.json({ stopping: true });
  });
  app.get('/qvac/receipts', async (c) => {
    const entries = (await receipts.list()).slice(0, maxListed);
    const found = await Promise.all(entries.map(({ id }) => summaryIfAny(components, id)));
    return c.json({ receipts: found.filter((each) => each !== null) });
  });
  app.get('/qvac/receipts/:id', async (c) => {
    const receipt = await receiptOf(components, c.req.param('id'));
    if (receipt === null) return pending(c);
    const { parts } = await earlierReceipts(receipt, (id) => receiptIfAny(components, id));
    const referees = await refereesOf(receipt, (id) => receiptIfAny(components, id));
    return c.json({ ...reportOf(receipt, parts), referees });
  });
  app.get('/receipts/:id', async (c) => {
    const receipt = await receiptOf(components, c.req.param('id'));
    if (receipt === null) return pending(c);
    const { parts } = await earlierReceipts(receipt, (id) => receiptIfAny(components, id));
    const referees = await refereesOf(receipt, (id) => receiptIfAny(components, id));
    return c.body(serialiseReceipt(receipt), 200, {
      'content-type': receiptType,
      'x-qvac-verified': verifiedOfWhole(receipt, parts),
      ...(referees.length === 0 ? {} : { 'x-qvac-referees': referees.map(({ peer, job }) => peer ?? job).join(', ') }),
    });
  });
}

function asset({ assets }: AppComponents, path: string): Response {
  const found = assets.get(path);
  if (found === null) throw new Problem(404, 'E_NOT_FOUND', path === '/' ? 'the page was not built' : 'no such file');
  return new Response(Uint8Array.from(found.body), {
    headers: {
      'content-type': found.type,
      'cache-control': 'no-cache',
      'content-security-policy': policy,
      'permissions-policy': 'camera=(), microphone=(), geolocation=()',
    },
  });
}

/** The answer is complete; its receipt is written with the verdict. */
function pending(c: RequestContext): Response {
  return c.json({ verified: 'pending' }, 202, { 'x-qvac-verified': 'pending', 'retry-after': '1' });
}

/**
 * The receipt with exactly that id, which never becomes part of a path unchecked; null while its answer is being
 * verified.
 * @throws QvacError E_NOT_FOUND
 */
async function receiptOf({ receipts, verifications }: AppComponents, id: string): Promise<Receipt | null> {
  if (!/^[0-9a-f]{64}$/.test(id)) throw new Problem(404, 'E_NOT_FOUND', 'expected the id of a receipt: 64 hex digits');
  const isPending = verifications.isPending(id);
  try {
    return (await receipts.get(id)).receipt;
  } catch (error) {
    if (isPending && error instanceof QvacError && error.code === 'E_NOT_FOUND') return null;
    throw error;
  }
}

/** Null for a file that is damaged, or was removed since it was listed. */
async function summaryIfAny(components: AppComponents, id: JobId) {
  try {
    const receipt = await receiptIfAny(components, id);
    return receipt && summaryOf(receipt);
  } catch (error) {
    if (error instanceof MalformedError) return null;
    throw error;
  }
}

/** Null for a receipt that is not here, or whose file is damaged. */
async function receiptIfAny({ receipts }: AppComponents, id: JobId): Promise<Receipt | null> {
  try {
    return (await receipts.get(id)).receipt;
  } catch (error) {
    if (error instanceof QvacError) return null;
    throw error;
  }
}

function peerOf({ peer, card, health }: LivePeer) {
  const { role, models, compute } = card;
  return {
    peer,
    role,
    device: compute.device,
    tokensPerSecond: compute.tokensPerSecond,
    rttMs: health.rttMs,
    since: health.since,
    sources: health.sources,
    models: models.map(({ id, name, quant, context, can, priceIn, priceOut, slots }) => ({
      id: toHex(id),
      name,
      quant,
      context,
      embeds: dimensionsOf({ can }) !== null,
      priceIn,
      priceOut,
      slots,
    })),
  };
}

function recordOf({ experience }: AppComponents, peer: PeerIdString) {
  const { served, verified, faults, aborted, usable, reason } = experience.standing(peer);
  return { served, verified, faults, aborted, usable, reason };
}
