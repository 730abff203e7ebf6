/**
 * The fields of every message (protocol sections 2 to 4). All byte fields are 32 bytes unless the comment says
 * otherwise; times are unix milliseconds; prices are lamports per 1,000 tokens; integers are safe integers.
 */

/** Everything that can change the bits of a logit (section 2). `execClass = SHA(cbor(exec))`. */
export interface Exec {
  readonly engine: string;
  readonly backend: 'cpu' | 'cuda' | 'metal' | 'vulkan';
  readonly kernels: string;
  readonly threads: number;
  readonly batch: number;
  readonly flash: boolean;
  readonly kv: 'f16';
  readonly gpuLayers: number;
  readonly sequences: number;
}

export interface ChatMessage {
  readonly role: string;
  readonly content: string;
}

/** What the model is asked (section 2). With `raw` there is one message and `options` is empty. */
export interface Input {
  readonly messages: readonly ChatMessage[];
  readonly template: 'gguf' | 'raw';
  readonly options: Readonly<Record<string, string | number | boolean>>;
}

export type Mode = 'merkle' | 'fraud' | 'zk' | 'none';

/** Where payment is taken: CAIP-2 `chain`, escrow `program`, `payee` authority (section 3). */
export interface Pay {
  readonly chain: string;
  readonly program: Uint8Array;
  readonly payee: Uint8Array;
}

export interface CardModel {
  readonly id: Uint8Array;
  readonly name: string;
  readonly arch: string;
  readonly quant: string;
  readonly context: number;
  readonly vocab: number;
  /** End-of-generation ids, ascending, at most 64. */
  readonly stops: readonly number[];
  readonly modes: readonly Mode[];
  readonly priceIn: number;
  readonly priceOut: number;
  readonly slots: number;
}

export interface Card {
  readonly v: 1;
  readonly peer: Uint8Array;
  readonly role: 'provider' | 'router';
  readonly seq: number;
  readonly issuedAt: number;
  readonly expiresAt: number;
  readonly addrs: readonly string[];
  readonly models: readonly CardModel[];
  readonly compute: {
    readonly backend: string;
    readonly device: string;
    /** bytes */
    readonly memory: number;
    readonly tokensPerSecond: number;
  };
  readonly execClass: Uint8Array | null;
  readonly exec: Exec | null;
  readonly pay: Pay | null;
  readonly network: string;
}

export interface Quote {
  readonly v: 1;
  readonly peer: Uint8Array;
  readonly client: Uint8Array;
  readonly modelId: Uint8Array;
  readonly requestDigest: Uint8Array;
  readonly promptTokens: number;
  readonly maxTokens: number;
  readonly priceIn: number;
  readonly priceOut: number;
  readonly execClass: Uint8Array;
  readonly pay: Pay | null;
  readonly issuedAt: number;
  readonly expiresAt: number;
  /** 16 bytes */
  readonly nonce: Uint8Array;
}

/** `temperature` and `minP` in hundredths (0…200, 0…100), `topK` 1…20 (section 4). */
export interface SamplerSettings {
  readonly temperature: number;
  readonly minP: number;
  readonly topK: number;
  readonly maxTokens: number;
}

export interface Sampler extends SamplerSettings {
  readonly vocab: number;
  readonly stops: readonly number[];
}

export interface Payment {
  readonly chain: string;
  readonly program: Uint8Array;
  readonly payer: Uint8Array;
  /** lamports */
  readonly amount: number;
}

export interface Offer {
  readonly v: 1;
  readonly client: Uint8Array;
  readonly provider: Uint8Array;
  readonly modelId: Uint8Array;
  readonly execClass: Uint8Array;
  readonly requestDigest: Uint8Array;
  readonly quote: Uint8Array | null;
  readonly seed: Uint8Array;
  readonly sampler: Sampler;
  readonly challenge: { readonly commit: Uint8Array; readonly count: number };
  readonly mode: Mode;
  readonly payment: Payment | null;
  readonly issuedAt: number;
  readonly expiresAt: number;
  /** 16 bytes */
  readonly nonce: Uint8Array;
}

export interface Cancel {
  readonly v: 1;
  readonly jobId: Uint8Array;
  readonly n: number;
}

/** Token id and `q` (logit × 1024 rounded, i32), section 4.1. */
export type Candidate = readonly [id: number, q: number];

export interface OpenedStep {
  readonly i: number;
  readonly token: number;
  readonly prefix: Uint8Array;
  /** 16 bytes */
  readonly salt: Uint8Array;
  readonly candidates: readonly Candidate[];
  readonly exact: Uint8Array;
  readonly zk: Uint8Array;
  readonly path: readonly Uint8Array[];
}

export interface Opening {
  readonly v: 1;
  readonly jobId: Uint8Array;
  readonly root: Uint8Array;
  readonly steps: readonly OpenedStep[];
}

export type Result = 'pass' | 'fail' | 'inconclusive';
export type Tier = 'sampling' | 'text' | 'exact' | 'statistical';

/** Fault codes in the order of section 5. */
export const faultCodes = [
  'equivocation',
  'bad-opening',
  'sampler-mismatch',
  'prefix-break',
  'bad-length',
  'silence',
  'bad-signature',
  'bad-receipt',
  'prompt-mismatch',
  'text-mismatch',
  'exact-mismatch',
  'distribution-far',
  'draws-far',
] as const;
export type FaultCode = (typeof faultCodes)[number];

/** `meanTv`, `maxTv`, `rmsDq`, `meanMiss` in millionths (section 4.4). */
export interface Verdict {
  readonly v: 1;
  readonly jobId: Uint8Array;
  readonly root: Uint8Array;
  readonly verifier: Uint8Array;
  readonly result: Result;
  readonly tier: Tier;
  readonly count: number;
  readonly meanTv: number | null;
  readonly maxTv: number | null;
  readonly rmsDq: number | null;
  readonly meanMiss: number | null;
  readonly faults: readonly FaultCode[];
  readonly execClass: Uint8Array | null;
  readonly calibration: Uint8Array | null;
  readonly at: number;
}

/** Section 4.2: the 202-byte tree head. `finish` 0 stop token, 1 maxTokens, 2 cancel, 255 not final. */
export interface Head {
  readonly version: 1;
  readonly jobId: Uint8Array;
  readonly n: number;
  readonly root: Uint8Array;
  readonly prefix: Uint8Array;
  readonly textDigest: Uint8Array;
  readonly inputDigest: Uint8Array;
  readonly execClass: Uint8Array;
  readonly promptCount: number;
  readonly finish: Finish;
}
export type Finish = 0 | 1 | 2 | 255;

/** Message kinds as they are signed (section 1). */
export const kinds = {
  card: 'qvac/card/1',
  quote: 'qvac/quote/1',
  offer: 'qvac/offer/1',
  cancel: 'qvac/cancel/1',
  head: 'qvac/head/1',
  opening: 'qvac/open/1',
  verdict: 'qvac/verdict/1',
} as const;
export type Kind = (typeof kinds)[keyof typeof kinds];

/** A message as sent and stored: the signed bytes and the 64-byte signature. */
export interface Signed {
  readonly body: Uint8Array;
  readonly sig: Uint8Array;
}
