import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { describe, it } from 'node:test';
import type { ModelId } from '../../src/lib/types.ts';
import { loadCalibration } from '../../src/model/calibrations.ts';
import { defaultLimits } from '../../src/proofs/calibration.ts';

describe('the calibrations that come with the program', () => {
  it('are each in the form of section 6, under the name of their model, and rest on evidence', async () => {
    const files = await readdir(new URL('../../calibration/', import.meta.url));
    const ids = files.flatMap((file) => /^([0-9a-f]{64})\.json$/.exec(file)?.[1] ?? []);
    assert.ok(ids.length >= 3);
    for (const id of ids) {
      const calibration = await loadCalibration(id as ModelId);
      assert.ok(calibration !== null && calibration.evidence.jobs >= 50, id);
      assert.ok(calibration.evidence.classes.length >= 3, id);
      // Neither so tight that chance accuses, nor so wide that a cheaper model passes.
      for (const [name, limit] of Object.entries(calibration.limits)) {
        const usual = defaultLimits[name as keyof typeof defaultLimits];
        assert.ok(limit >= usual / 10 && limit <= usual * 1.5, `${id} ${name}`);
      }
    }
  });
});
