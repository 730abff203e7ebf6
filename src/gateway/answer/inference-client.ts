import type { AbortOptions, JobId, ModelId, PeerIdString } from '../../lib/types.ts';
import type { AnswerExtra } from '../../node/job/answer-extra.ts';
import type { PayPolicy } from '../../node/payment/channel/channels.ts';
import type { RefereeCount } from '../../node/referees/reports.ts';
import type { FaultCode, Input, SamplerSettings } from '../../protocol/messages.ts';
import type { ToolFamily } from '../tools/families.ts';

/** One prompt for the network, whichever API it came through. */
export interface InferenceRequest {
  readonly input: Input;
  /** Hex id, `name` or `name/quant`; null: the best live offer. */
  readonly model: string | null;
  /** Peer id or multiaddr of the provider to use; null: the best one. */
  readonly provider: string | null;
  readonly sampler: SamplerSettings;
  /** What is asked of the answer beyond the sampler. */
  readonly extra: AnswerExtra;
  /** 0 … 2^64 − 1 for a repeatable answer; null: random. */
  readonly seed: bigint | null;
  /** Null: as far as this machine can check. */
  readonly verify: 'none' | 'optimistic' | 'sampling' | 'full' | null;
  /** Other providers that may see prompt and answer to check it, if this machine and the router cannot; null: none. */
  readonly referees: RefereeCount | null;
  /** The most that the answer and its score jobs may cost together, lamports. */
  readonly maxPrice: number;
  /** Address (base58) of the browser wallet that pays; null: the gateway's own wallet. */
  readonly wallet: string | null;
  /** Whether a channel may pay; null: as that wallet's policy says. */
  readonly pay: PayPolicy | null;
  /** The most that may be deposited in that channel, lamports; null: as that wallet's policy says. */
  readonly maxDeposit: number | null;
  /**
   * Id of the page that must approve each payment of the gateway's own wallet; null: payments up to `maxPrice` need no
   * approval.
   */
  readonly consent: string | null;
  /** From the request to the last token, ms. */
  readonly timeoutMs: number;
  /** Whether the logits of every token are asked for: recomputed here, or taken from the opening of all steps. */
  readonly logits: boolean;
}

/** Where an answer comes from. */
export interface AnswerSource {
  readonly provider: PeerIdString;
  /** The router in between, or null. */
  readonly router: PeerIdString | null;
  readonly model: { readonly id: ModelId; readonly name: string; readonly quant: string };
}

/** A complete answer, known once its last token has arrived. */
export interface DeliveredAnswer {
  /** Of an answer that several providers wrote, the last one. @default that of `accepted` */
  readonly last?: Pick<AnswerSource, 'provider' | 'router'> | undefined;
  readonly finish: 'stop' | 'length' | 'cancel';
  readonly promptTokens: number;
  /** Tokens that are paid for: the stop token included; after a cancel, those received plus at most 32. */
  readonly tokens: number;
  /** Lamports. */
  readonly cost: bigint;
  /** The id of its receipt. */
  readonly receipt: JobId;
}

/** How far an answer was verified, as the header `x-qvac-verified` says it. */
export type VerificationOutcome = 'exact' | 'statistical' | 'text' | 'sampling' | 'none' | 'inconclusive' | 'failed';

export interface VerificationResult {
  readonly verified: VerificationOutcome;
  readonly faults: readonly FaultCode[];
  /** The referees on whose numbers it rests; null if none were asked. */
  readonly referees: RefereesHeard | null;
}

/** The referees of an answer. */
export interface RefereesHeard {
  /** On whose numbers the result rests, in the order of their draw. */
  readonly peers: readonly PeerIdString[];
  /** The score jobs of all that gave a head, lamports. */
  readonly cost: bigint;
}

/** One token of an answer and the candidates it was drawn from. */
export interface AnswerStep {
  readonly token: number;
  readonly ids: readonly number[];
  /** Of the candidates, in nats. */
  readonly logits: readonly number[];
}

/** The steps of a whole answer. */
export interface AnswerSteps {
  readonly steps: readonly AnswerStep[];
  /** `recomputed` here with the model, or as the provider `opened` them. */
  readonly from: 'recomputed' | 'opened';
  /** The bytes of a token; null if the model is not here. */
  readonly bytesOf: ((token: number) => Uint8Array) | null;
}

export interface CheckedAnswer extends VerificationResult {
  /** Null if the request did not ask for them, or there are none. */
  readonly steps: AnswerSteps | null;
}

/** Follows one request from the accept to the last token. */
export interface InferenceObserver {
  /**
   * A provider accepted the prompt. Called again if another provider takes over before the first token. `tail` is the
   * end of the rendered prompt.
   */
  accepted(source: AnswerSource, promptTokens: number, tail?: string): void;
  /** The provider has computed so many of the prompt's tokens. */
  prompted?(done: number, total: number): void;
  /** The next piece of the answer arrives only once this has resolved. */
  text(text: string): void | Promise<void>;
  /** The last token has arrived; verification starts. */
  delivered(delivered: DeliveredAnswer): void;
  /** Money was locked for an answer that failed; `lamports` resolves to the amount that it cost in the end. */
  failedAnswerCost?(lamports: Promise<bigint>): void;
}

export interface InferenceOptions extends AbortOptions {
  /** Names the request for `qvac why`, 24 hex digits; null: its selection is not recorded. */
  readonly requestId: string | null;
  /** Aborts to cancel the answer and pay for the tokens received; `signal` drops everything. */
  readonly stop: AbortSignal;
}

export interface TokenCount {
  readonly tokens: number;
  /** False if the count is an estimate. */
  readonly exact: boolean;
}

/** Runs prompts on the network. */
export interface InferenceClient {
  /**
   * Resolves once the answer is verified and its receipt stored.
   * @throws QvacError if there is no complete answer
   */
  complete(request: InferenceRequest, observer: InferenceObserver, options: InferenceOptions): Promise<CheckedAnswer>;
  /** Whether this machine has the model's file and so can recompute its answers. */
  holds(model: string | null): Promise<boolean>;
  /** The family of models that writes calls of tools as this one does; null if the model is not here. */
  toolFamily(model: ModelId): Promise<ToolFamily | null>;
  /** How many tokens a prompt has for a model. @throws QvacError E_BAD_INPUT for a prompt that no provider may take */
  countTokens(model: ModelId, input: Input): Promise<TokenCount>;
}
