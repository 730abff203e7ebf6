import { utf8 } from '../../../lib/bytes.ts';
import type { Tokenizer } from '../../../model/engine.ts';
import { AnswerDraws } from '../../../proofs/sampling/draws.ts';
import type { Weighing } from '../../../proofs/sampling/sampler.ts';
import { seedOfNumber, sha256 } from '../../../protocol/digests.ts';
import type { Input } from '../../../protocol/messages.ts';
import { candidateCount, greedyEvery, minPHundredths, temperatures } from '../constants.ts';
import { questionOf } from './questions.ts';

/** One answer that is asked for: the same number gives the same question, seed and temperature everywhere. */
export interface AuditJob {
  readonly number: number;
  readonly question: string;
  readonly weighing: Weighing;
  readonly topK: number;
  readonly maxTokens: number;
}

export function jobOf(number: number, maxTokens: number): AuditJob {
  const temperature = number % greedyEvery === greedyEvery - 1 ? 0 : (temperatures[number % temperatures.length] ?? 0);
  return {
    number,
    question: questionOf(number),
    weighing: { temperature, minP: minPHundredths, topP: 100 },
    topK: candidateCount,
    maxTokens,
  };
}

/** The job's draws, from its first token on. */
export function drawsOf({ number, weighing }: AuditJob): AnswerDraws {
  return new AnswerDraws({ seed: seedOfNumber(BigInt(number)), weighing, extra: {} });
}

/** Bytes that only this name and number have. */
export function randomOf(name: string, number: number): Uint8Array {
  return sha256(utf8(`${name} ${number}`));
}

export function inputOf(question: string): Input {
  return {
    messages: [{ role: 'user', content: question }],
    template: 'gguf',
    options: {},
    tools: null,
    date: null,
    continuation: [],
  };
}

/** The prompt's tokens. */
export function promptOf(tokenizer: Tokenizer, { question }: Pick<AuditJob, 'question'>): readonly number[] {
  return tokenizer.encodePrompt(inputOf(question)).tokens;
}
