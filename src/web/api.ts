import { GatewayError } from './gateway-error.ts';
import type { VerificationStatus } from './labels.ts';
import { session } from './session.ts';

export interface ModelOffer {
  readonly id: string;
  readonly name: string;
  readonly quant: string;
  readonly context: number;
  /** It turns texts into vectors, and answers nothing. */
  readonly embeds: boolean;
  readonly priceIn: number;
  readonly priceOut: number;
  readonly slots: number;
}

export interface PeerSummary {
  readonly peer: string;
  readonly role: 'provider' | 'router';
  readonly device: string;
  readonly tokensPerSecond: number;
  readonly rttMs: number | null;
  readonly since: number;
  readonly sources: readonly string[];
  readonly models: readonly ModelOffer[];
  /** The record that this person's own node keeps of the peer. */
  readonly record: {
    readonly served: number;
    readonly verified: number;
    readonly faults: number;
    readonly aborted: number;
    readonly usable: boolean;
    readonly reason: string | null;
  };
}

export interface GatewayState {
  readonly version: string;
  readonly network: string;
  readonly notReady: string | null;
  readonly defaults: {
    readonly model: string | null;
    readonly temperature: number;
    readonly maxTokens: number;
    readonly verify: string | null;
    /** How many other providers the operator lets see prompts; null: none. */
    readonly referees: number | null;
    readonly maxPrice: number;
  };
}

export interface ReceiptSummary {
  readonly id: string;
  readonly askedAt: number;
  readonly provider: string;
  readonly model: string;
  readonly tokens: number;
  /** Of texts; null: the job wrote an answer. */
  readonly vectors: number | null;
  readonly payment: {
    readonly by: 'job' | 'channel';
    readonly locked: string;
    readonly settlement: {
      readonly state: string;
      readonly paid: string;
      readonly refunded: string;
      readonly burnt: string;
      readonly compensation: string;
    } | null;
  } | null;
  readonly verified: VerificationStatus;
}

export interface OpenedStep {
  readonly i: number;
  readonly token: number;
  readonly leaf: string;
  /** The parts of the leaf, in hex. */
  readonly prefix: string;
  readonly salt: string;
  readonly exact: string;
  readonly zk: string;
  readonly path: readonly string[];
  readonly draw: number;
  readonly candidates: readonly { readonly id: number; readonly q: number; readonly share: number }[];
}

export interface ReceiptReport extends ReceiptSummary {
  readonly client: string;
  /** Tokens of the answer that other providers wrote before, and those of them whose receipts are here. */
  readonly start: number;
  readonly earlier: readonly { readonly id: string; readonly provider: string; readonly tokens: number }[];
  /** Score jobs on which the last verdict rests; `peer` is null if the job's receipt is not here. */
  readonly referees: readonly {
    readonly job: string;
    readonly peer: string | null;
    readonly payment: ReceiptSummary['payment'];
  }[];
  readonly mode: string;
  readonly sampler: {
    readonly temperature: number;
    readonly minP: number;
    readonly topK: number;
    readonly maxTokens: number;
  };
  readonly promptTokens: number;
  readonly finish: number;
  readonly root: string;
  readonly exec: Readonly<Record<string, unknown>> | null;
  readonly messages: readonly { readonly role: string; readonly content: string }[] | null;
  readonly text: string;
  readonly checks: readonly {
    readonly name: string;
    readonly result: 'pass' | 'fail' | 'skipped' | 'inconclusive';
    readonly detail: string;
  }[];
  readonly verdicts: readonly {
    readonly verifier: string;
    readonly result: string;
    readonly tier: string;
    readonly count: number;
    readonly faults: readonly string[];
    readonly at: number;
  }[];
  readonly steps: readonly OpenedStep[];
}

/**
 * Sends a request with this run's token; exchanges the previous run's token first if need be. @throws GatewayError, or
 * TypeError if the gateway does not respond
 */
export async function request(path: string, init: RequestInit = {}): Promise<Response> {
  const token = session.token();
  const response = await send(path, init, token);
  if (response.ok) {
    // Other paths also take an API key.
    if (path.startsWith('/qvac/')) session.accepted(token);
    return response;
  }
  if (response.status === 401 && (await session.renew())) {
    const again = await send(path, init, session.token());
    if (again.ok) return again;
    throw await errorOf(again);
  }
  throw await errorOf(response);
}

function send(path: string, init: RequestInit, token: string | null): Promise<Response> {
  return fetch(path, {
    ...init,
    headers: {
      ...(init.body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    },
  });
}

async function errorOf(response: Response): Promise<GatewayError> {
  try {
    const { error } = (await response.json()) as { error: { qvac_code: string; message: string } };
    return new GatewayError(response.status, error.qvac_code, error.message);
  } catch {
    return new GatewayError(response.status, 'E_HTTP', `the gateway answered ${response.status}`);
  }
}

async function get<Value>(path: string): Promise<Value> {
  return (await (await request(path)).json()) as Value;
}

export const getState = (): Promise<GatewayState> => get<GatewayState>('/qvac/state');
export const getPeers = async (): Promise<readonly PeerSummary[]> =>
  (await get<{ peers: readonly PeerSummary[] }>('/qvac/peers')).peers;
export const getReceipts = async (): Promise<readonly ReceiptSummary[]> =>
  (await get<{ receipts: readonly ReceiptSummary[] }>('/qvac/receipts')).receipts;
/** Null while the answer is being verified. */
export async function getReport(id: string): Promise<ReceiptReport | null> {
  const response = await request(`/qvac/receipts/${encodeURIComponent(id)}`);
  return response.status === 202 ? null : ((await response.json()) as ReceiptReport);
}
/** The receipt file, which can be checked anywhere. */
export const getReceiptFile = async (id: string): Promise<Blob> =>
  (await request(`/receipts/${encodeURIComponent(id)}`)).blob();
export const stopAnswer = (id: string): Promise<Response> =>
  request(`/qvac/answers/${encodeURIComponent(id)}/stop`, { method: 'POST', body: '{}' });

/** Yields the JSON of each server-sent event until the end. @throws TypeError if the stream ends early */
export async function* events(
  response: Response,
  signal: AbortSignal,
): AsyncGenerator<Readonly<Record<string, unknown>>> {
  if (response.body === null) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    signal.throwIfAborted();
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const prompt = /^: prompt (\d+)\/(\d+)$/.exec(line);
      if (prompt !== null) yield { promptShare: Number(prompt[1]) / Number(prompt[2]) };
      if (!line.startsWith('data: ')) continue;
      if (line === 'data: [DONE]') return;
      yield JSON.parse(line.slice(6)) as Readonly<Record<string, unknown>>;
    }
  }
}
