import * as v from 'valibot';
import { type FaultCode, faultCodes, type Result, results, type Tier, tiers } from '../codes.ts';
import { digest, millionths, natural, version } from './fields.ts';
import { decoder, encoder } from './validated.ts';

/** What a verifier found (section 4.4). `meanTv`, `maxTv`, `rmsDq`, `meanMiss` in millionths. */
export interface Verdict {
  readonly v: 1;
  readonly jobId: Uint8Array;
  readonly root: Uint8Array;
  readonly verifier: Uint8Array;
  readonly result: Result;
  readonly tier: Tier;
  /** Steps opened. */
  readonly count: number;
  readonly meanTv: number | null;
  readonly maxTv: number | null;
  readonly rmsDq: number | null;
  readonly meanMiss: number | null;
  /** In the order of section 5, each once. */
  readonly faults: readonly FaultCode[];
  /** The verifier's own class; null if it ran no model. */
  readonly execClass: Uint8Array | null;
  /** Digest of the calibration that was used. */
  readonly calibration: Uint8Array | null;
  /** Score jobs that the result rests on, in the order of their draw. */
  readonly referees: readonly Uint8Array[];
  /** unix milliseconds */
  readonly at: number;
}

const faults = v.pipe(
  v.array(v.picklist(faultCodes)),
  v.check(
    (codes) =>
      codes.every((code, at) => at === 0 || faultCodes.indexOf(code) > faultCodes.indexOf(codes[at - 1] ?? code)),
    'expected faults in order, each once',
  ),
);

const verdict = v.strictObject({
  v: version,
  jobId: digest,
  root: digest,
  verifier: digest,
  result: v.picklist(results),
  tier: v.picklist(tiers),
  count: natural,
  meanTv: v.nullable(millionths),
  maxTv: v.nullable(millionths),
  rmsDq: v.nullable(natural),
  meanMiss: v.nullable(millionths),
  faults,
  execClass: v.nullable(digest),
  calibration: v.nullable(digest),
  referees: v.array(digest),
  at: natural,
});

/** @throws MalformedError */
export const encodeVerdict = encoder<Verdict>(verdict, 'verdict');
/** @throws MalformedError */
export const decodeVerdict = decoder<Verdict>(verdict, 'verdict');
