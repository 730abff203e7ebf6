import type { SubmittedAnswer } from '../../src/escrow/accounts.ts';
import { fromHex } from '../../src/lib/bytes.ts';
import { modes, type Offer } from '../../src/protocol/messages.ts';
import { decodeAck } from '../../src/protocol/validate.ts';
import { createScriptedEngine } from '../../test/support/scripted-engine.ts';
import { benchSampler } from './nodes.ts';
import { type PaidNodes, withPaidNodes } from './paid-nodes.ts';
import { tapped } from './wiretap.ts';

/** What the provider of one job did, and what it was paid for. */
export interface Served {
  readonly offer: Offer;
  /** Null if the provider submitted nothing. */
  readonly submitted: SubmittedAnswer | null;
  /** Tokens that the client received. */
  readonly received: number;
  /** Steps whose logits were computed. */
  readonly steps: number;
}

export interface Leaving {
  /** The count of the last acknowledgement that reaches the provider; null: none. */
  readonly lastAck: number | null;
  /** Whether the client goes on reading until the provider breaks off, instead of vanishing. @default false */
  readonly stays?: boolean | undefined;
}

/** A client that takes as much of an answer as it gets without acknowledging it. */
export type LeavingClient = (leaving: Leaving) => Promise<Served>;

/** More than any `lastAck` and the grace together. */
const maxTokens = 512;

/** Real nodes and a chain in this process. */
export async function withLeavingClient<Value>(work: (ask: LeavingClient) => Promise<Value>): Promise<Value> {
  let steps = 0;
  const engine = createScriptedEngine({ beforeStep: async (i) => void (steps = Math.max(steps, i + 1)) });
  return withPaidNodes(engine, (nodes) =>
    work(async (leaving) => {
      steps = 0;
      return { ...(await leave(nodes, leaving)), steps };
    }),
  );
}

async function leave(
  { buyer, client, openJob }: PaidNodes,
  { lastAck, stays = false }: Leaving,
): Promise<Omit<Served, 'steps'>> {
  const peer = tapped(client, {
    sending: (frame) => frame.t !== 'ack' || (lastAck !== null && decodeAck(frame.body).n <= lastAck),
  });
  const { job } = await openJob({ mode: modes.merkle, sampler: { ...benchSampler, maxTokens } }, peer);
  const { offer } = job;
  const most = mostTokens(lastAck, offer.terms.grace);
  for await (const frame of job.frames()) {
    void frame;
    if (!stays && job.received.n >= most) break;
  }
  job.abort(new Error('gone'));
  const address = buyer.jobAddress(offer.payment.account, fromHex(job.jobId));
  const account = await buyer.waitForJob(address, (seen) => seen === null || seen.submitted !== null);
  if (account !== null) await buyer.confirmJob(account);
  return { offer, submitted: account?.submitted ?? null, received: job.received.n };
}

/** What a provider sends on that acknowledgement (protocol section 4). */
function mostTokens(lastAck: number | null, grace: number): number {
  if (lastAck === null) return 0;
  return lastAck === 0 ? 1 : lastAck + grace;
}
