import { access, mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { requantise } from '../test/support/models/requantise.ts';

/** Makes a cheaper quantisation (Q4_0) of `modelFile` in `folder`, once for each model. @returns its file */
export async function worseModel(modelFile: string, id: string, folder: string): Promise<string> {
  const target = join(folder, `worse-${id.slice(0, 16)}.gguf`);
  const made = await access(target).then(
    () => true,
    () => false,
  );
  if (!made) {
    await mkdir(folder, { recursive: true });
    await requantise(modelFile, `${target}.part`, 'q4_0');
    await rename(`${target}.part`, target);
  }
  return target;
}
