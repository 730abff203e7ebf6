import { events, getReport, request, stopAnswer } from './api.ts';
import type { Trust, Turn } from './conversation.ts';
import { GatewayError } from './gateway-error.ts';
import { isStatus } from './labels.ts';
import { market } from './market.ts';
import { depositLimitLamports, limitLamports } from './price-limit.ts';
import { refereesAsked } from './referees.ts';
import { signatureRequests } from './signature-requests.ts';
import type { PageSettings } from './store.ts';
import { wallets } from './wallet.ts';

/** How long a stopped answer may take to end, so that its receipt still arrives, ms. */
const stopMs = 6_000;

export interface Running {
  /** Resolves when the answer ended, complete or not. Never throws. */
  readonly done: Promise<void>;
  stop(): void;
}

interface Chunk {
  readonly id?: string;
  readonly model?: string;
  /** How much of the prompt is computed, 0 … 1. */
  readonly promptShare?: number;
  readonly choices?: readonly { readonly delta?: { readonly content?: string; readonly reasoning_content?: string } }[];
  readonly usage?: { readonly completion_tokens?: number } | null;
  readonly error?: { readonly qvac_code: string; readonly message: string };
  readonly 'x-qvac-receipt'?: string;
  readonly 'x-qvac-provider'?: string;
  readonly 'x-qvac-router'?: string;
  readonly 'x-qvac-verified'?: string;
  readonly 'x-qvac-cost-lamports'?: string;
}

/** Requests the answer to `turns`, writes it into `into` and calls `changed` after each change. */
export function ask(turns: readonly Turn[], settings: PageSettings, into: Turn, changed: () => void): Running {
  const controller = new AbortController();
  let id: string | null = null;
  let timer: number | undefined;
  const done = receive(turns, settings, into, controller.signal, changed, (found) => (id = found))
    .catch((error: unknown) => {
      if (controller.signal.aborted) into.error = { code: 'STOPPED', message: '' };
      else
        into.error =
          error instanceof GatewayError ? { code: error.code, message: error.message } : { code: 'GONE', message: '' };
    })
    .finally(() => clearTimeout(timer));
  return {
    done,
    stop() {
      if (id === null) {
        controller.abort();
        return;
      }
      // The answer ends here and is paid; its receipt still arrives.
      stopAnswer(id).catch(() => controller.abort());
      timer = setTimeout(() => controller.abort(), stopMs);
    },
  };
}

async function receive(
  turns: readonly Turn[],
  settings: PageSettings,
  into: Turn,
  signal: AbortSignal,
  changed: () => void,
  known: (id: string) => void,
): Promise<void> {
  // The gateway's own wallet pays only with this person's consent, whatever the page knows of its limit so far.
  const consent = wallets.account === null ? signatureRequests.forQuestion() : null;
  try {
    await receiveAnswer(
      await request('/v1/chat/completions', {
        method: 'POST',
        body: bodyOf(turns, settings, consent?.name ?? null),
        signal,
      }),
      into,
      signal,
      changed,
      known,
    );
  } finally {
    const { trust } = into;
    // Referees are paid after the answer, with a consent of their own.
    const isRefereed = consent !== null && trust?.verified === 'pending' && refereesAsked() > 0;
    if (isRefereed) void settled(trust, () => undefined).finally(() => consent.end());
    else consent?.end();
  }
}

async function receiveAnswer(
  response: Response,
  into: Turn,
  signal: AbortSignal,
  changed: () => void,
  known: (id: string) => void,
): Promise<void> {
  let firstAt: number | null = null;
  let lastAt = 0;
  for await (const event of events(response, signal)) {
    const chunk = event as Chunk;
    if (chunk.error !== undefined) throw new GatewayError(200, chunk.error.qvac_code, chunk.error.message);
    if (chunk.id !== undefined) {
      known(chunk.id.replace(/^chatcmpl-/, ''));
      into.by ??= { provider: response.headers.get('x-qvac-provider') ?? '', model: modelLabel(chunk.model) };
    }
    if (chunk.promptShare !== undefined) {
      into.promptShare = chunk.promptShare;
      changed();
    }
    const { content = '', reasoning_content: reasoning = '' } = chunk.choices?.[0]?.delta ?? {};
    if (content !== '' || reasoning !== '') {
      lastAt = performance.now();
      firstAt ??= lastAt;
      into.content += content;
      if (reasoning !== '') into.reasoning = (into.reasoning ?? '') + reasoning;
      delete into.promptShare;
      changed();
    }
    const trust = trustOf(chunk, firstAt === null || lastAt <= firstAt ? null : (lastAt - firstAt) / 1_000);
    if (trust !== null) {
      into.trust = trust;
      changed();
    }
  }
  if (into.trust === undefined) throw new TypeError('the answer is incomplete');
}

function bodyOf(turns: readonly Turn[], settings: PageSettings, consent: string | null): string {
  const { model, provider, verify, system, temperature, maxTokens, seed } = settings;
  const messages = [
    ...(system.trim() === '' ? [] : [{ role: 'system', content: system }]),
    ...turns.filter(({ content }) => content !== '').map(({ role, content }) => ({ role, content })),
  ];
  const body = {
    messages,
    stream: true,
    stream_options: { include_usage: true },
    ...(model === '' ? {} : { model }),
    ...(temperature === '' ? {} : { temperature: Number(temperature) }),
    ...(maxTokens === '' ? {} : { max_tokens: Number(maxTokens) }),
    qvac: {
      ...(provider === '' ? {} : { provider }),
      ...(verify === '' ? {} : { verify }),
      ...refereesOf(),
      ...payerOf(settings, consent),
    },
  };
  const json = JSON.stringify(body);
  // Sent as typed: a double does not keep all digits.
  return /^\d{1,20}$/.test(seed) ? json.replace(/\}$/, `,"seed":${BigInt(seed)}}`) : json;
}

/** Named only if it matters, since a gateway without referees knows none. */
function refereesOf(): object {
  const referees = refereesAsked();
  return referees === 0 && market.view.state?.defaults.referees === null ? {} : { referees };
}

function payerOf({ pay, maxPrice }: PageSettings, consent: string | null): object {
  const { account } = wallets;
  if (account !== null)
    return { wallet: account.address, max_price: limitLamports(), pay, max_deposit: depositLimitLamports() };
  return consent === null ? {} : { consent, ...(maxPrice === '' ? {} : { max_price: limitLamports() }) };
}

/** `name/quant` for display. */
function modelLabel(name = ''): string {
  return name.replace(/\/([^/]*)$/, ' $1');
}

function trustOf(chunk: Chunk, seconds: number | null): Trust | null {
  const receipt = chunk['x-qvac-receipt'];
  const verified = chunk['x-qvac-verified'];
  if (receipt === undefined || !isStatus(verified)) return null;
  const tokens = chunk.usage?.completion_tokens ?? 0;
  return {
    tokens,
    tokensPerSecond: seconds === null || tokens < 2 ? null : (tokens - 1) / seconds,
    provider: chunk['x-qvac-provider'] ?? '',
    router: chunk['x-qvac-router'] ?? null,
    model: modelLabel(chunk.model),
    cost: chunk['x-qvac-cost-lamports'] ?? '0',
    verified,
    receipt,
  };
}

/** How long the page waits between two looks for a verdict, ms: at first, at most, and in all. */
const [firstLookMs, lastLookMs, givesUpMs] = [200, 3_000, 600_000];

/** Polls until the answer is verified, for at most ten minutes. */
export async function settled(trust: Trust, changed: (trust: Trust) => void): Promise<void> {
  const deadline = performance.now() + givesUpMs;
  for (let pauseMs = firstLookMs; performance.now() < deadline; pauseMs = Math.min(pauseMs * 1.5, lastLookMs)) {
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    try {
      const report = await getReport(trust.receipt);
      if (report !== null) {
        const { verified, earlier, payment, referees } = report;
        return changed({ ...trust, verified, earlier, paidBy: payment?.by, referees: referees.length });
      }
    } catch (error) {
      // No receipt: the gateway restarted, or could not store it.
      if (error instanceof GatewayError && error.status === 404) return changed({ ...trust, verified: 'inconclusive' });
    }
  }
}
