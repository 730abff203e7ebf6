import type { JobId, PeerIdString } from '../../lib/types.ts';
import type { Finish, ModeName, Result } from '../../protocol/messages.ts';
import type { RefusalCode } from './refusal.ts';

/** An event of a provider, for logs and monitoring. Holds ids, counts and times only. */
export type ProviderEvent =
  | {
      readonly event: 'job-accepted';
      readonly job: JobId;
      readonly client: PeerIdString;
      readonly mode: ModeName | 'embed';
      readonly promptTokens: number;
      readonly maxTokens: number;
    }
  | {
      readonly event: 'job-finished';
      readonly job: JobId;
      readonly client: PeerIdString;
      readonly tokens: number;
      /** Of an embedding job, which has no tokens; null of any other. */
      readonly vectors: number | null;
      readonly finish: Finish;
      readonly ms: number;
      /** Tokens of the prompt that a kept one saved. */
      readonly reused: number;
      /** Tokens of the answer that were guessed, and how many of them came. */
      readonly guessed: number;
      readonly accepted: number;
    }
  /** No final head was sent: the client left, or the job failed. */
  | { readonly event: 'job-failed'; readonly job: JobId; readonly client: PeerIdString; readonly reason: string }
  | { readonly event: 'job-opened'; readonly job: JobId; readonly client: PeerIdString; readonly steps: number }
  | {
      readonly event: 'job-verdict';
      readonly job: JobId;
      readonly client: PeerIdString;
      readonly result: Result;
      readonly faults: readonly string[];
    }
  | { readonly event: 'refused'; readonly client: PeerIdString; readonly code: RefusalCode; readonly reason: string };
