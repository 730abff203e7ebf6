import type { SelectionRecord } from '../node/selection/selection-store.ts';
import { dateTime, plural, shortId, shortPeer, table } from '../terminal/format.ts';
import { printable } from '../terminal/printable.ts';
import { defineCommand } from './parts/definition.ts';

const points = (value: number): string => (Object.is(Math.round(value * 100), -0) ? 0 : value).toFixed(2);

function lines({ job, at, model, provider, considered, turned, failure }: SelectionRecord): readonly string[] {
  const ranked = considered.filter((each) => 'score' in each);
  const excluded = considered.filter((each) => 'why' in each);
  const rows = ranked.map(({ peer, score, terms: { price, speed, reliability, load, kept } }) => [
    peer === provider ? '→' : '',
    points(score),
    points(price),
    points(speed),
    points(reliability),
    points(load),
    points(kept),
    peer,
  ]);
  const answered = provider === null ? '' : `answered by ${shortPeer(provider)}, chosen `;
  return [
    [
      job === null ? 'no answer' : `answer ${shortId(job)}`,
      dateTime(at),
      model ?? 'any model',
      `${answered}among ${plural(ranked.length, 'provider')}`,
    ].join(' · '),
    ...(failure === undefined ? [] : [printable(failure)]),
    '',
    ...(rows.length === 0
      ? ['No provider could be asked.']
      : table(['', 'SCORE', 'PRICE', 'SPEED', 'RELIABILITY', 'LOAD', 'KEPT', 'PROVIDER'], rows)),
    ...(ranked.length > 1 ? ['A score is the sum of its terms; 0 is the best.'] : []),
    ...(turned.length === 0
      ? []
      : [
          '',
          ...table(
            ['TRIED BEFORE', 'DID NOT ANSWER BECAUSE'],
            turned.map(({ peer, reason }) => [peer, reason]),
          ),
        ]),
    ...(excluded.length === 0
      ? []
      : [
          '',
          ...table(
            ['EXCLUDED', 'BECAUSE', ''],
            excluded.map(({ peer, why, detail }) => [peer, why, detail]),
          ),
        ]),
  ];
}

export const command = defineCommand({
  description: [
    'Explain the choice of a provider: the candidates and their scores term by term, the providers tried before,',
    'and why other providers were excluded.',
    'Works for answers to this home and through its router, and for every request to its gateway.',
  ].join(' '),
  arguments: [
    {
      name: '<request>',
      description: 'receipt id or its beginning, or the x-request-id of a gateway',
    },
  ],
  examples: [
    { line: 'qvac why 9f3a', what: 'explain the answer whose receipt begins with 9f3a' },
    { line: 'qvac why req_5b0c66f2d4a9d1b86a0e7c31', what: 'explain a request to the gateway by its x-request-id' },
    { line: 'qvac why 9f3a --json', what: 'print it as JSON' },
  ],
  async action({ args, config, output }) {
    const { openSelectionStore } = await import('../sdk/home.ts');
    const account = await openSelectionStore(config).get(args[0] ?? '');
    output.result(account, lines(account));
  },
});
