import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readFileIfAny } from '../lib/files.ts';
import { type Logger, silentLogger } from '../lib/log.ts';
import type { ModelId } from '../lib/types.ts';
import { type Calibration, parseCalibration } from '../proofs/calibration.ts';
import { MalformedError } from '../protocol/codec.ts';

/**
 * The measured limits of a model that came with this program (`calibration/<modelId>.json`, protocol section 6), or
 * null.
 * A file of any other form is not used.
 */
export async function loadCalibration(
  modelId: ModelId,
  logger: Logger = silentLogger,
  from: string = dirname(fileURLToPath(import.meta.url)),
): Promise<Calibration | null> {
  // Two folders up from here, as source and as bundled.
  for (const root of [join(from, '..', '..'), join(from, '..')]) {
    const path = join(root, 'calibration', `${modelId}.json`);
    const bytes = await readFileIfAny(path);
    if (bytes === null) continue;
    try {
      const calibration = parseCalibration(bytes);
      if (calibration.modelId === modelId) return calibration;
      logger.warn('a calibration is of another model and is not used', { path });
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
      logger.warn('a calibration is malformed and is not used', { path, reason: error.message });
    }
  }
  return null;
}
