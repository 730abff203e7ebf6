import { toHex } from '../../../lib/bytes.ts';
import type { AbortOptions } from '../../../lib/types.ts';
import type { Engine } from '../../../model/engine.ts';
import { followingTokens } from '../../../protocol/constants.ts';
import { execClassOf } from '../../../protocol/digests.ts';
import type { Answer } from '../answers/answer.ts';
import { type AuditJob, promptOf } from '../answers/job.ts';
import { measureAnswer, type StepMeasures } from '../answers/measure.ts';
import { type CaseAnswer, runTask, type TaskName, type Variant } from '../answers/tasks.ts';

/** Where answers are computed and recomputed: one execution class. */
export interface Lab {
  facts(options?: AbortOptions): Promise<LabFacts>;
  /** Computes the answers of one task. */
  answer(task: TaskName, job: AuditJob, options?: AbortOptions): Promise<Timed<readonly CaseAnswer[]>>;
  /** Recomputes answers with equal tokens once, and compares each. In the order of `answers`. */
  measure(job: AuditJob, answers: readonly Answer[], options?: AbortOptions): Promise<Timed<readonly StepMeasures[]>>;
  dispose(): Promise<void>;
}

export interface LabFacts {
  /** Hex digest of the class of the model that is paid for. */
  readonly execClass: string;
  /** Its CPU build or GPU with what it declares. */
  readonly kernels: string;
  readonly engine: string;
  /** Schedules that the self-test found to give the class's bits. */
  readonly sameBits: readonly string[];
}

/** Work with the time that it took. */
export interface Timed<Value> {
  readonly value: Value;
  /** CPU time of all threads; what ran beside it in the same process included. */
  readonly cpuMs: number;
  readonly clockMs: number;
}

export interface LabComponents {
  /** Opens the engine of a model; each is opened once. */
  readonly open: (variant: Variant, options: AbortOptions) => Promise<Engine>;
}

/** A lab in this process. */
export function createLab({ open }: LabComponents): Lab {
  const engines = new Map<Variant, Promise<Engine>>();
  const engineOf = (variant: Variant, options: AbortOptions = {}): Promise<Engine> => {
    const known = engines.get(variant) ?? open(variant, options);
    engines.set(variant, known);
    known.catch(() => engines.delete(variant));
    return known;
  };
  return {
    async facts(options = {}) {
      const engine = await engineOf('dear', options);
      const { sameBits } = await engine.runSelfTest(options);
      const { exec } = engine;
      return { execClass: toHex(execClassOf(exec)), kernels: exec.kernels, engine: exec.engine, sameBits };
    },
    async answer(task, job, options = {}) {
      const dear = await engineOf('dear', options);
      const components = { dear, open: (variant: Variant) => engineOf(variant, options) };
      return await timed(() => runTask(components, task, job));
    },
    async measure(job, answers, options = {}) {
      const [first] = answers;
      if (first === undefined) return { value: [], cpuMs: 0, clockMs: 0 };
      const engine = await engineOf('dear', options);
      const topK = Math.min(job.topK + followingTokens, engine.facts.vocab);
      const { value: tops, ...times } = await timed(async () => {
        const session = await engine.open(options);
        try {
          return await session.replay(promptOf(engine.tokenizer, job), first.tokens, topK, options);
        } finally {
          await session.release();
        }
      });
      return { value: answers.map((answer) => measureAnswer(job, answer, tops)), ...times };
    },
    async dispose() {
      for (const engine of engines.values()) await (await engine.catch(() => null))?.dispose();
      engines.clear();
    },
  };
}

async function timed<Value>(work: () => Promise<Value>): Promise<Timed<Value>> {
  const [before, begun] = [process.cpuUsage(), performance.now()];
  const value = await work();
  const { user, system } = process.cpuUsage(before);
  return { value, cpuMs: (user + system) / 1000, clockMs: performance.now() - begun };
}
