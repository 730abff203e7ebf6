import assert from 'node:assert/strict';
import { it } from 'node:test';
import { type ClockSources, checkClock } from '../../../src/commands/doctor/clock.ts';

const now = 1_800_000_000_000;
const sources = { now, issued: [], expired: false, endpoint: null } as const satisfies ClockSources;
const endpoint = (aheadMs: number, offMs = 600) => ({ where: 'rpc.example', aheadMs, offMs });

it('the clock is compared with whoever tells the time', () => {
  for (const [given, result, detail] of [
    [{}, 'ok', /^not compared/],
    [{ issued: [now - 200_000, now - 1_000] }, 'ok', /^not behind that of 2 peers; whether it is ahead/],
    // One peer that is wrong does not make this clock wrong.
    [{ issued: [now + 3_600_000, now - 1_000, now - 2_000] }, 'ok', /^not behind that of 3 peers/],
    [
      { issued: [now + 120_000, now + 119_000, now - 2_000] },
      'warn',
      /^this clock is about 1 min 59 s behind that of others; from 1 min on/,
    ],
    [{ expired: true }, 'warn', /^the cards of peers count as expired here: this clock may be ahead/],
    [{ endpoint: endpoint(400) }, 'ok', /^agrees with that of rpc\.example, within 1\.0 s$/],
    [{ endpoint: endpoint(-10_500) }, 'ok', /within 11 s$/],
    [{ endpoint: endpoint(10_700) }, 'warn', /^this clock is about 11 s behind that of rpc\.example/],
    [{ endpoint: endpoint(-90_000) }, 'warn', /^this clock is about 1 min 30 s ahead of that of rpc\.example/],
    [{ endpoint: endpoint(0), issued: [now + 120_000] }, 'ok', /^agrees with that of rpc\.example/],
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
