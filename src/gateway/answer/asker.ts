import type { AbortOptions, JobId, ModelId, PeerIdString } from '../../lib/types.ts';
import type { TopLogits } from '../../proofs/logits.ts';
import type { FaultCode, Input, SamplerSettings } from '../../protocol/messages.ts';

/** One question, as whichever API's request says. */
export interface Question {
  readonly input: Input;
  /** Hex id, `name` or `name/quant`; null: the best live offer. */
  readonly model: string | null;
  /** Peer id or multiaddr of the provider that is to answer; null: the best one. */
  readonly provider: string | null;
  readonly sampler: SamplerSettings;
  /** 0 … 2^64 − 1 for an answer that can be had again; null: random. */
  readonly seed: bigint | null;
  /** Null: as far as is possible here. */
  readonly verify: 'none' | 'sampling' | 'full' | null;
  /** Most that the answer may cost, lamports. */
  readonly maxPrice: number;
  /** The wallet in a page that pays (base58); null: the program's own. */
  readonly wallet: string | null;
  /**
   * The page in which a person agrees to what the program's own wallet pays, by the name it goes by; null: within the
   * limit nobody is asked.
   */
  readonly consent: string | null;
  /** From the question to the last token, ms. */
  readonly timeoutMs: number;
  /** Whether the logits of every token are wanted, recomputed here. */
  readonly logits: boolean;
}

/** Who answers. */
export interface Picked {
  readonly provider: PeerIdString;
  /** The router in between, or null. */
  readonly router: PeerIdString | null;
  readonly model: { readonly id: ModelId; readonly name: string; readonly quant: string };
}

/** What came, once the last token is there. */
export interface Delivered {
  readonly finish: 'stop' | 'length' | 'cancel';
  readonly promptTokens: number;
  /**
   * Those that count for the price: the stop token included, and after a cancel as many as had come and at most 32
   * more.
   */
  readonly tokens: number;
  /** Lamports. */
  readonly cost: bigint;
  /** Under which its receipt is kept. */
  readonly receipt: JobId;
}

/** How far an answer was checked, in the word of the header `x-qvac-verified`. */
export type Verified = 'exact' | 'statistical' | 'text' | 'sampling' | 'none' | 'inconclusive' | 'failed';

export interface Checked {
  readonly verified: Verified;
  readonly faults: readonly FaultCode[];
}

/** One answer token and what it was drawn from, recomputed here. */
export interface RecomputedStep {
  readonly bytes: Uint8Array;
  readonly token: number;
  readonly top: TopLogits;
  /** Bytes of the tokens in `top`, in its order. */
  readonly topBytes: readonly Uint8Array[];
}

export interface Asked extends Checked {
  /** Null where they were not wanted, or could not be recomputed. */
  readonly steps: readonly RecomputedStep[] | null;
}

export interface AskHooks {
  /** A provider took the question; again where another one is turned to before the first token. */
  accepted(picked: Picked, promptTokens: number): void;
  /** The next part of the answer comes only once this has resolved. */
  text(text: string): void | Promise<void>;
  /** The last token is there; checking begins. */
  delivered(delivered: Delivered): void;
  /** Money was locked for an answer that broke off; `lamports` resolves to what that cost in the end. */
  lost?(lamports: Promise<bigint>): void;
}

export interface AskOptions extends AbortOptions {
  /** Names the question to `qvac why`, 24 hex digits. */
  readonly request: string;
  /** Aborts to cancel and settle for what was delivered; `signal` drops everything. */
  readonly stop: AbortSignal;
}

/** Asks the network. */
export interface Asker {
  /**
   * Resolves once the answer is checked and its receipt kept.
   * @throws QvacError where there is no whole answer
   */
  ask(question: Question, hooks: AskHooks, options: AskOptions): Promise<Asked>;
  /** Whether the model's file is here, so that answers can be recomputed. */
  holds(model: string | null): Promise<boolean>;
}
