import { basename } from 'node:path';
import { QvacError } from '../../errors.ts';
import { maxDimensions } from '../../protocol/constants.ts';
import { type GgufHeader, numberOf, textOf } from './gguf.ts';

/** How the engine makes one vector of a text: `<arch>.pooling_type` (llama.h, `llama_pooling_type`). */
const poolings = { none: 0, mean: 1, cls: 2, last: 3, rank: 4 } as const;

/**
 * Numbers of a vector, if the file is of a model that embeds texts: it names a pooling. Null: it answers.
 * @throws QvacError E_MODEL for one that ranks, or vectors of a length that the protocol does not carry
 */
export function dimensionsOfFile(header: GgufHeader): number | null {
  const arch = textOf(header, 'general.architecture') ?? '';
  const pooling = numberOf(header, `${arch}.pooling_type`) ?? poolings.none;
  if (pooling === poolings.none) return null;
  const name = basename(header.path);
  if (pooling === poolings.rank)
    throw new QvacError('E_MODEL', `${name} ranks texts, which is not supported`, {
      hint: 'models that answer or embed texts are',
    });
  const dimensions = numberOf(header, `${arch}.embedding_length`) ?? 0;
  if (dimensions < 1 || dimensions > maxDimensions)
    throw new QvacError(
      'E_MODEL',
      `${name} gives vectors of ${dimensions} numbers, at most ${maxDimensions} are served`,
    );
  return dimensions;
}
