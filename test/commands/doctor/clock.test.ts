import assert from 'node:assert/strict';
import { it } from 'node:test';
import { type ClockSources, checkClock } from '../../../src/commands/doctor/clock.ts';

const now = 1_800_000_000_000;
const sources = { now, issued: [], expired: false, endpoint: null } as const satisfies ClockSources;
const endpoint = (aheadMs: number, offMs = 600) => ({ where: 'rpc.example', aheadMs, offMs });

it('the clock is compared with an endpoint, else with the cards of peers', () => {
  for (const [given, result, detail] of [
    [{}, 'ok', /^not compared/],
    [{ issued: [now - 200_000, now - 1_000] }, 'ok', /^not behind 2 peers; cards cannot show whether it is ahead$/],
    // One wrong peer does not make this clock wrong.
    [{ issued: [now + 3_600_000, now - 1_000, now - 2_000] }, 'ok', /^not behind 3 peers;/],
    [
      { issued: [now + 120_000, now + 119_000, now - 2_000] },
      'warn',
      /^about 1 min 59 s behind the clocks of peers; beyond 1 min, peers refuse/,
    ],
    [{ expired: true }, 'warn', /^peers' cards have expired by this clock, which may be ahead/],
    [{ endpoint: endpoint(400) }, 'ok', /^agrees with rpc\.example within 1\.0 s$/],
    [{ endpoint: endpoint(-10_500) }, 'ok', /within 11 s$/],
    [{ endpoint: endpoint(10_700) }, 'warn', /^about 11 s behind rpc\.example/],
    [{ endpoint: endpoint(-90_000) }, 'warn', /^about 1 min 30 s ahead of rpc\.example/],
    [{ endpoint: endpoint(0), issued: [now + 120_000] }, 'ok', /^agrees with rpc\.example/],
  ] as const) {
    const found = checkClock({ ...sources, ...given });
    assert.deepEqual(
      [found.name, found.result, found.fix === null],
      ['clock', result, result === 'ok'],
      JSON.stringify(given),
    );
    assert.match(found.detail, detail);
  }
});
