import { basename, dirname, join } from 'node:path';
import { QvacError } from '../../errors.ts';
import { fromHex } from '../../lib/bytes.ts';
import type { ModelId } from '../../lib/types.ts';
import { modelIdHex, shardsModelId } from '../../protocol/digests.ts';
import { type GgufHeader, numberOf, readGguf } from '../text/gguf.ts';

const maxShards = 1000;

/**
 * Paths of all files of a model, in order, from the header of its first file. Checks the header of each.
 * @throws QvacError E_MODEL if a file is missing or damaged, or `header` is not that of the first one
 */
export async function shardPaths(header: GgufHeader): Promise<readonly string[]> {
  const count = numberOf(header, 'split.count') ?? 1;
  if (count <= 1) return [header.path];
  const name = /^(.*)-00001-of-(\d{5})\.gguf$/i.exec(basename(header.path));
  if (name === null || Number(name[2]) !== count || count > maxShards) {
    throw new QvacError('E_MODEL', `${basename(header.path)} is one of the ${count} files of a model`, {
      hint: 'pass the first one, …-00001-of-….gguf, with the others in the same folder',
    });
  }
  const paths = Array.from({ length: count }, (_, at) =>
    join(dirname(header.path), `${name[1] ?? ''}-${String(at + 1).padStart(5, '0')}-of-${name[2] ?? ''}.gguf`),
  );
  for (const path of paths) await readGguf(path);
  return paths;
}

/** The id of a model (protocol section 2). @param digests SHA-256 of each file in order, lower-case hex */
export function modelIdOf(digests: readonly string[]): ModelId {
  const [only, ...others] = digests;
  return others.length === 0 && only !== undefined
    ? modelIdHex(fromHex(only))
    : modelIdHex(shardsModelId(digests.map(fromHex)));
}
