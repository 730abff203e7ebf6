import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readFileIfAny } from '../lib/files.ts';
import { type Logger, silentLogger } from '../lib/log.ts';
import type { ModelId } from '../lib/types.ts';
import { type Calibration, parseCalibration } from '../proofs/calibration.ts';
import { MalformedError } from '../protocol/codec.ts';

export interface CalibrationOptions {
  /** Folders to look in before the program's own: those of this home. */
  readonly dirs?: readonly string[] | undefined;
  readonly logger?: Logger | undefined;
}

/**
 * The measured limits of a model (`<modelId>.json`, protocol section 6): those of this home, else those that came with
 * the program, else null. A file of any other form is not used.
 */
export async function loadCalibration(
  modelId: ModelId,
  { dirs = [], logger = silentLogger }: CalibrationOptions = {},
): Promise<Calibration | null> {
  for (const dir of [...dirs, ...shippedDirs()]) {
    const path = join(dir, `${modelId}.json`);
    const bytes = await readFileIfAny(path);
    if (bytes === null) continue;
    try {
      const calibration = parseCalibration(bytes);
      if (calibration.modelId !== modelId) {
        logger.warn('a calibration is of another model and is not used', { path });
        continue;
      }
      logger.info('answers are judged by the limits measured of their model', {
        model: modelId.slice(0, 12),
        path,
        answers: calibration.evidence.jobs,
      });
      return calibration;
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
      logger.warn('a calibration is malformed and is not used', { path, reason: error.message });
    }
  }
  return null;
}

/** Up from here, as source and as bundled. */
function shippedDirs(): readonly string[] {
  const here = dirname(fileURLToPath(import.meta.url));
  return [join(here, '..', '..', 'calibration'), join(here, '..', 'calibration')];
}
