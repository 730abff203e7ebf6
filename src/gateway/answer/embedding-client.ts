import type { AbortOptions } from '../../lib/types.ts';
import type { InferenceRequest, VerificationOutcome } from './inference-client.ts';
import type { KnownAnswer } from './trust-fields.ts';

/** Texts for the network, whichever API they came through. */
export interface EmbeddingQuery
  extends Pick<InferenceRequest, 'model' | 'provider' | 'verify' | 'maxPrice' | 'wallet' | 'consent' | 'timeoutMs'> {
  /** At least one. */
  readonly texts: readonly string[];
  /** Cuts texts that are longer than the model's context; else they are refused. */
  readonly truncate: boolean;
}

export interface EmbeddingResult {
  /** One for each text, as the model gave them. */
  readonly vectors: readonly Float32Array[];
  readonly promptTokens: number;
  /** The jobs that brought them, each with its verdict: `none` if the model is not here to compute them again. */
  readonly jobs: readonly (KnownAnswer & { readonly verified: VerificationOutcome })[];
}

export interface EmbeddingObserver {
  /** A job, or a failed attempt at one, costs this, lamports; the promise never rejects. */
  cost(lamports: Promise<bigint>): void;
}

export interface EmbeddingOptions extends AbortOptions {
  /** Names the request for `qvac why`, 24 hex digits. */
  readonly requestId: string;
}

/** Embeds texts on the network. */
export interface EmbeddingClient {
  /**
   * Resolves once all vectors are checked and their receipts stored.
   * @throws QvacError if there are none, or a check failed (E_VERIFICATION_FAILED)
   */
  embed(query: EmbeddingQuery, observer: EmbeddingObserver, options: EmbeddingOptions): Promise<EmbeddingResult>;
}
