import { QvacError } from '../../errors.ts';
import { type Answer, type AskObserver, silentObserver } from '../../node/client/answer.ts';
import { type EmbedInit, embed } from '../../node/client/embed.ts';
import type { EmbeddingClient, EmbeddingQuery, EmbeddingResult } from './embedding-client.ts';
import type { VerificationOutcome } from './inference-client.ts';
import { asRequestError, type NetworkInferenceClientComponents, withPayments } from './network-inference-client.ts';

/** Embeds texts through this machine's own node, with a provider directly: a router carries no vectors. */
export function createNetworkEmbeddingClient(components: NetworkInferenceClientComponents): EmbeddingClient {
  return {
    async embed(query, { cost }, { signal, requestId }) {
      const observer: AskObserver = {
        ...silentObserver,
        delivered: ({ costLamports }) => cost(Promise.resolve(costLamports)),
      };
      const paying = withPayments(components, query, { failedAnswerCost: cost });
      const embeddings = await embed(paying, initOf(query, requestId), observer, { signal }).catch((error: unknown) =>
        Promise.reject(asRequestError(error)),
      );
      const { vectors, promptTokens, jobs } = embeddings;
      const failed = jobs.find(({ verification }) => verification.result === 'fail');
      if (vectors === null || failed !== undefined) throw checkFailed(failed ?? jobs[0]);
      return { vectors, promptTokens, jobs: jobs.map((job) => knownOf(job, promptTokens)) };
    },
  };
}

function initOf(query: EmbeddingQuery, requestId: string): EmbedInit {
  const { texts, truncate, model, provider, verify, maxPrice, timeoutMs } = query;
  return { texts, truncate, model, provider, verify, maxPrice, timeoutMs, request: requestId };
}

function knownOf(answer: Answer, promptTokens: number): EmbeddingResult['jobs'][number] {
  const { provider, model, tokens, costLamports, receipt } = answer;
  const delivered = { finish: 'length', promptTokens, tokens, cost: costLamports } as const;
  return {
    source: { provider, router: null, model },
    delivered: receipt === null ? null : { ...delivered, receipt },
    verified: outcomeOf(answer),
    referees: null,
  };
}

/** Only a recomputation says anything about numbers. */
function outcomeOf({ verification: { result, tier } }: Answer): VerificationOutcome {
  return result === 'pass' ? tier : 'none';
}

function checkFailed({ atFault, provider, verification: { faults } }: Answer): QvacError {
  const who = atFault ?? provider;
  return new QvacError('E_VERIFICATION_FAILED', `the vectors of ${who} failed a check (${faults.join(', ')})`, {
    details: { provider: who, faults },
  });
}
