import type { EngineSession } from '../../../model/engine.ts';
import type { TopLogits } from '../../../proofs/logits.ts';
import type { AnswerDraws } from '../../../proofs/sampling/draws.ts';
import { type Selection, selectCandidates } from '../../../proofs/sampling/sampler.ts';
import { type AuditJob, drawsOf } from './job.ts';

/** What a provider sends and commits to: its tokens and, for each, the candidates. */
export interface Answer {
  readonly tokens: readonly number[];
  readonly committed: readonly Selection[];
}

/** A step of an answer as a provider, honest or not, decides it. */
export interface Step {
  readonly token: number;
  readonly committed: Selection;
}

/** Decides step `i` from what the engines computed for it. */
export type Rule<Tops> = (tops: Tops, draws: AnswerDraws, i: number) => Step;

/** A provider's logits: after the prompt, then after each token. */
export interface LogitSource<Tops> {
  first(): Promise<Tops>;
  after(token: number): Promise<Tops>;
}

/** The job's answer by one rule. It ends at a stop token, which belongs to it, or at `maxTokens`. */
export async function makeAnswer<Tops>(
  job: AuditJob,
  stops: readonly number[],
  source: LogitSource<Tops>,
  rule: Rule<Tops>,
): Promise<Answer> {
  const draws = drawsOf(job);
  const tokens: number[] = [];
  const committed: Selection[] = [];
  let tops = await source.first();
  for (;;) {
    const step = rule(tops, draws, tokens.length);
    tokens.push(step.token);
    committed.push(step.committed);
    draws.add(step.token);
    if (stops.includes(step.token) || tokens.length >= job.maxTokens) return { tokens, committed };
    tops = await source.after(step.token);
  }
}

/** The rule of the protocol. */
export function honestRule({ topK }: AuditJob): Rule<TopLogits> {
  return (top, draws) => {
    const committed = selectCandidates(top, topK);
    return { token: draws.pick(committed.candidates), committed };
  };
}

/** The logits of one session behind one prompt. */
export function sourceOf(session: EngineSession, prompt: readonly number[], topK: number): LogitSource<TopLogits> {
  return { first: () => session.prefill(prompt, topK), after: (token) => session.decode(token, topK) };
}

/** Several sources over the same tokens, side by side. */
export function sideBySide(
  truth: LogitSource<TopLogits>,
  cheap: LogitSource<TopLogits>,
): LogitSource<{ readonly truth: TopLogits; readonly cheap: TopLogits }> {
  return {
    first: async () => ({ truth: await truth.first(), cheap: await cheap.first() }),
    after: async (token) => ({ truth: await truth.after(token), cheap: await cheap.after(token) }),
  };
}
