import type { AnswerSource, DeliveredAnswer, RefereesHeard, VerificationOutcome } from './inference-client.ts';

/** What is known of one answer. */
export interface KnownAnswer {
  readonly source: AnswerSource;
  readonly delivered: DeliveredAnswer | null;
  readonly verified: VerificationOutcome | 'pending';
  /** Null if none were asked, or none are known yet. */
  readonly referees: RefereesHeard | null;
}

/** Of several answers, the outcome that comes first here is reported for all. */
const outcomes: readonly KnownAnswer['verified'][] = [
  'failed',
  'pending',
  'inconclusive',
  'none',
  'sampling',
  'text',
  'statistical',
  'exact',
];

/**
 * The `x-qvac-*` headers known so far of a request's answers; the last event of a stream repeats them as fields. Of
 * several answers, ids are listed with commas between them.
 */
export function trustFields(answers: readonly KnownAnswer[]): Record<string, string> {
  const listed = (values: readonly (string | null)[]): string =>
    [...new Set(values.filter((value) => value !== null))].join(', ');
  const sources = answers.map(({ source, delivered: answer }) => ({ ...source, ...answer?.last }));
  const routers = listed(sources.map(({ router }) => router));
  const delivered = answers.flatMap((answer) => answer.delivered ?? []);
  const referees = answers.flatMap((answer) => answer.referees ?? []);
  return {
    ...(answers.length === 0
      ? {}
      : {
          'x-qvac-provider': listed(sources.map(({ provider }) => provider)),
          'x-qvac-model-id': listed(sources.map(({ model }) => model.id)),
        }),
    ...(routers === '' ? {} : { 'x-qvac-router': routers }),
    'x-qvac-verified': outcomes.find((outcome) => answers.some(({ verified }) => verified === outcome)) ?? 'pending',
    ...(delivered.length === 0
      ? {}
      : {
          'x-qvac-cost-lamports': delivered.reduce((sum, { cost }) => sum + cost, 0n).toString(),
          'x-qvac-receipt': listed(delivered.map(({ receipt }) => receipt)),
        }),
    ...(referees.length === 0
      ? {}
      : {
          'x-qvac-referees': listed(referees.flatMap(({ peers }) => peers)),
          'x-qvac-referees-cost-lamports': referees.reduce((sum, { cost }) => sum + cost, 0n).toString(),
        }),
  };
}
