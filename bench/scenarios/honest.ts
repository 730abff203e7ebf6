import type { Engine } from '../../src/model/engine.ts';
import type { Assessment } from '../../src/proofs/checks.ts';
import type { Receipt } from '../../src/proofs/receipt.ts';
import { rateBounds } from '../../src/proofs/statistics/bounds.ts';
import { disguised, sideBySide } from '../../test/support/cheats/engines.ts';
import { nudging } from '../../test/support/cheats/transcripts.ts';
import { type Figure, median, rounded, type Scenario } from '../report.ts';
import { withEngines } from '../support/engines.ts';
import { answerWith, type LocalJob, verifyWith } from '../support/local-job.ts';
import { questions } from '../support/questions.ts';

/** As many say how rare an error is as somebody has the patience for: `QVAC_BENCH_JOBS=300 npm run bench -- honest`. */
const honestJobs = Number(process.env.QVAC_BENCH_JOBS ?? 40);
const cheatJobs = honestJobs / 2;
const answerTokens = 64;
/** Of the one class; the other verifier's blocks are longer than what gives the same bits. */
const otherBatch = 512;

/** The job `at` of a fixed list: each question at two temperatures. */
function jobAt(at: number, claimed: Engine): Omit<LocalJob, 'number'> {
  const temperature = Math.floor(at / questions.length) % 2 === 0 ? 70 : 100;
  return {
    claimed,
    question: questions[at % questions.length] ?? '',
    sampler: { temperature, minP: 5, topP: 100, topK: 20, maxTokens: answerTokens },
  };
}

/** A whole answer of 64 tokens; where one ends earlier, the next seed's. */
async function answerOf(provider: Engine, job: Omit<LocalJob, 'number'>, at: number): Promise<Receipt> {
  for (let number = at; ; number += 1_000) {
    const receipt = await answerWith(provider, { ...job, number });
    if (receipt.tokens.length >= answerTokens) return receipt;
  }
}

/** Assessments of some answers: how many failed, and the measured distances in nats and shares. */
function summary(assessments: readonly Assessment[]): Figure['details'] {
  const values = (of: (assessment: Assessment) => number | null): number[] =>
    assessments.flatMap((assessment) => of(assessment) ?? []).map((millionths) => millionths / 1e6);
  const distances = {
    rmsDq: values(({ rmsDq }) => rmsDq),
    meanMiss: values(({ meanMiss }) => meanMiss),
    meanTv: values(({ meanTv }) => meanTv),
    maxTv: values(({ maxTv }) => maxTv),
  };
  const faults = assessments.flatMap(({ faults: [fault] }) => fault ?? []);
  return {
    jobs: assessments.length,
    tiers: [...new Set(assessments.map(({ tier }) => tier))].join(' '),
    ...Object.fromEntries(
      [...new Set(faults)].map((fault) => [fault, faults.filter((other) => other === fault).length]),
    ),
    ...Object.fromEntries(
      Object.entries(distances).flatMap(([name, all]) =>
        all.length === 0
          ? []
          : [
              [`${name}P50`, rounded(median(all))],
              [`${name}Min`, rounded(Math.min(...all))],
              [`${name}Max`, rounded(Math.max(...all))],
            ],
      ),
    ),
  };
}

const failed = (assessments: readonly Assessment[]): number =>
  assessments.filter(({ result }) => result !== 'pass').length;

function honestFigures(
  tier: 'statistical' | 'exact',
  assessments: readonly Assessment[],
  tokens: number,
): readonly Figure[] {
  const flagged = failed(assessments);
  const count: Figure = {
    name: `honest answers flagged, ${tier} tier`,
    value: flagged,
    unit: `of ${assessments.length}`,
    goal: { atMost: 0 },
    details: { tokens, ...summary(assessments) },
  };
  const bound: Figure = {
    name: `  at most, with 95 % confidence`,
    value: rateBounds(flagged, assessments.length).upper * 100,
    unit: '%',
    goal: null,
    details: { jobs: assessments.length, flagged },
  };
  return [count, bound];
}

function cheatFigures(name: string, assessments: readonly Assessment[]): readonly Figure[] {
  const caught = assessments.filter(({ result }) => result === 'fail').length;
  const share: Figure = {
    name: `${name} caught, statistical tier`,
    value: caught,
    unit: `of ${assessments.length}`,
    goal: null,
    details: summary(assessments),
  };
  const bound: Figure = {
    name: `  at least, with 95 % confidence`,
    value: rateBounds(caught, assessments.length).lower * 100,
    unit: '%',
    goal: null,
    details: { jobs: assessments.length, caught },
  };
  return [share, bound];
}

export const scenario: Scenario = () =>
  withEngines(async (open) => {
    const [provider, ofOtherClass, cheap] = [
      await open('q8_0'),
      await open('q8_0', { batch: otherBatch }),
      await open('q4_0'),
    ];
    await provider.runSelfTest();
    const [exact, statistical, coarse, nudged]: readonly Assessment[][] = [[], [], [], []];
    let tokens = 0;
    for (let at = 0; at < honestJobs; at++) {
      const receipt = await answerOf(provider, jobAt(at, provider), at);
      tokens += receipt.tokens.length;
      exact?.push(await verifyWith(provider, receipt));
      statistical?.push(await verifyWith(ofOtherClass, receipt));
    }
    for (let at = 0; at < cheatJobs; at++) {
      const job = jobAt(at, provider);
      coarse?.push(await verifyWith(ofOtherClass, await answerOf(disguised(cheap, provider), job, at)));
      nudged?.push(
        await verifyWith(
          ofOtherClass,
          await answerOf(sideBySide(provider, cheap), { ...job, createTranscript: nudging }, at),
        ),
      );
    }
    return [
      ...honestFigures('exact', exact ?? [], tokens),
      ...honestFigures('statistical', statistical ?? [], tokens),
      ...cheatFigures('Q4_0 as Q8_0', coarse ?? []),
      ...cheatFigures('Q4_0 as Q8_0, nudged', nudged ?? []),
    ];
  });
