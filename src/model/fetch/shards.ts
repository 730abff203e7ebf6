import { basename, dirname, join } from 'node:path';
import { QvacError } from '../../errors.ts';
import { fromHex } from '../../lib/bytes.ts';
import type { ModelId } from '../../lib/types.ts';
import { modelIdHex, shardsModelId } from '../../protocol/digests.ts';
import { type GgufHeader, numberOf, readGguf } from '../text/gguf.ts';

const maxShards = 1000;

/**
 * All files of the model that `header` begins, in order; one for a model in one file. Each is checked.
 * @throws QvacError E_MODEL where one is missing or damaged, or `header` is not the first one's
 */
export async function shardPaths(header: GgufHeader): Promise<readonly string[]> {
  const count = numberOf(header, 'split.count') ?? 1;
  if (count <= 1) return [header.path];
  const name = /^(.*)-00001-of-(\d{5})\.gguf$/i.exec(basename(header.path));
  if (name === null || Number(name[2]) !== count || count > maxShards) {
    throw new QvacError('E_MODEL', `${basename(header.path)} is a part of a model in ${count} files`, {
      hint: 'name the first one, …-00001-of-….gguf, with the others beside it',
    });
  }
  const paths = Array.from({ length: count }, (_, at) =>
    join(dirname(header.path), `${name[1] ?? ''}-${String(at + 1).padStart(5, '0')}-of-${name[2] ?? ''}.gguf`),
  );
  for (const path of paths) await readGguf(path);
  return paths;
}

/** Protocol section 2. `digests` in lower-case hex, in file order. */
export function modelIdOf(digests: readonly string[]): ModelId {
  const [only, ...others] = digests;
  return others.length === 0 && only !== undefined
    ? modelIdHex(fromHex(only))
    : modelIdHex(shardsModelId(digests.map(fromHex)));
}
