import type { LaneCall } from '../weights.ts';

/** A lane's share of an evaluation call, as the library computes it. */
export interface NativeCall extends LaneCall {
  /** True if a companion is computed behind the token. */
  readonly hasCompanion: boolean;
}

const companionToken = 1;

/** Each call of a round with what it computes. */
export function nativeCalls(calls: readonly LaneCall[]): readonly NativeCall[] {
  const lanes = new Set(calls.map(({ lane }) => lane));
  return calls.map((call) => ({
    ...call,
    hasCompanion:
      call.companion === true && call.tokens.length === 1 && !lanes.has(call.lane - 1) && !lanes.has(call.lane + 1),
  }));
}

export function nativeTokens({ tokens, hasCompanion }: NativeCall): readonly number[] {
  return hasCompanion ? [...tokens, companionToken] : tokens;
}

/** True if logits are wanted after the token at index `at` of `nativeTokens`. */
export function isWanted({ tokens, logitsFrom }: NativeCall, at: number): boolean {
  return at >= logitsFrom && at < tokens.length;
}

/** What the library tells of the parts of one engine call that wait to be computed. */
interface QueuedPart {
  readonly tokens: readonly number[];
  readonly evaluationPriority: number;
}

/**
 * The parts of an engine call by lane: llama.cpp computes sequences together whose numbers follow on each other in the
 * call, and starts anew at every other one. A part's priority is its lane.
 */
export function byLane<Part extends QueuedPart>({
  items,
}: {
  readonly items: readonly Part[];
}): { readonly item: Part; readonly processAmount: number }[] {
  return items
    .toSorted((a, b) => a.evaluationPriority - b.evaluationPriority)
    .map((item) => ({ item, processAmount: item.tokens.length }));
}
