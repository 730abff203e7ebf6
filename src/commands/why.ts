import { join as joinPath } from 'node:path';
import type { SelectionRecord } from '../node/selection/selection-store.ts';
import { dateTime, plural, shortId, shortPeer, table } from '../terminal/format.ts';
import { printable } from '../terminal/printable.ts';
import { choicesFolder } from './parts/asking.ts';
import { defineCommand } from './parts/definition.ts';

const points = (value: number): string => (Object.is(Math.round(value * 100), -0) ? 0 : value).toFixed(2);

function lines({ job, at, model, provider, considered, turned, failure }: SelectionRecord): readonly string[] {
  const ranked = considered.filter((each) => 'score' in each);
  const excluded = considered.filter((each) => 'why' in each);
  const rows = ranked.map(({ peer, score, terms: { price, speed, reliability, load } }) => [
    peer === provider ? '→' : '',
    points(score),
    points(price),
    points(speed),
    points(reliability),
    points(load),
    peer,
  ]);
  return [
    `${job === null ? 'no answer' : `answer ${shortId(job)}`} · ${dateTime(at)} · ${model ?? 'any model'} · ${provider === null ? '' : `answered by ${shortPeer(provider)}, chosen `}among ${plural(ranked.length, 'provider')}`,
    ...(failure === undefined ? [] : [printable(failure)]),
    '',
    ...(rows.length === 0
      ? ['Nobody could be asked.']
      : table(['', 'SCORE', 'PRICE', 'SPEED', 'RELIABILITY', 'LOAD', 'PROVIDER'], rows)),
    ...(ranked.length > 1 ? ['0 is best; a score is the sum of its terms.'] : []),
    ...(turned.length === 0
      ? []
      : [
          '',
          ...table(
            ['TURNED TO BEFORE', 'DID NOT ANSWER BECAUSE'],
            turned.map(({ peer, reason }) => [peer, reason]),
          ),
        ]),
    ...(excluded.length === 0
      ? []
      : [
          '',
          ...table(
            ['NOT ASKED', 'BECAUSE', ''],
            excluded.map(({ peer, why, detail }) => [peer, why, detail]),
          ),
        ]),
  ];
}

export const command = defineCommand({
  description:
    'Explains the choice of a provider: who was considered, their scores term by term, who was turned to before, and why the others were not asked. For answers to questions of this home and of its router, and for every request to its gateway, answered or not. With --json: {job, at, model, provider, considered: [{peer, score, terms} or {peer, why, detail}], turned: [{peer, reason}]}, and failure where there is no answer (then job and provider are null).',
  arguments: [
    {
      name: '<request>',
      description:
        'the answer’s receipt id or the beginning of it, or what a gateway called the request: x-request-id, or the id in its answer',
    },
  ],
  examples: [
    { line: 'qvac why 9f3a', what: 'the answer whose receipt begins with 9f3a' },
    { line: 'qvac why req_5b0c66f2d4a9d1b86a0e7c31', what: 'a request to the gateway, by its x-request-id' },
    { line: 'qvac why 9f3a --json', what: 'the same for programs' },
  ],
  async action({ args, config, output }) {
    const { createSelectionStore } = await import('../node/selection/selection-store.ts');
    const account = await createSelectionStore(joinPath(config.home.cache, choicesFolder)).get(args[0] ?? '');
    output.result(account, lines(account));
  },
});
