import { isWanted, type NativeCall, nativeTokens } from './native-call.ts';
import type { Logits } from './top-logits.ts';

/** What is used of the library's context sequence. */
export interface NativeSequence {
  readonly nextTokenIndex: number;
  readonly contextSize: number;
  controlledEvaluate(
    input: readonly (number | readonly [number, object])[],
    options: { readonly evaluationPriority: number },
  ): Promise<readonly ({ readonly next: { readonly logits?: ReadonlyMap<number, number> } } | undefined)[]>;
  clearHistory(): Promise<void>;
  eraseContextTokenRanges(ranges: readonly { readonly start: number; readonly end: number }[]): Promise<void>;
}

/** One engine call through the public interface: the largest `count` raw logits after each wanted token. */
export async function controlledEvaluate(
  sequence: NativeSequence,
  call: NativeCall,
  count: number,
): Promise<readonly Logits[]> {
  const options = {
    generateNext: { logits: true, options: { temperature: 1, topK: count, topP: 1, minP: 0, seed: 1 } },
  } as const;
  const { tokens, logitsFrom, lane } = call;
  const output = await sequence.controlledEvaluate(
    nativeTokens(call).map((token, at) => (isWanted(call, at) ? ([token, options] as const) : token)),
    { evaluationPriority: lane },
  );
  return output.slice(logitsFrom, tokens.length).map((item) => item?.next.logits ?? new Map<number, number>());
}
