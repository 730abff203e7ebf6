import { rm, stat } from 'node:fs/promises';
import { join, resolve as resolvePath } from 'node:path';
import { messageOf, QvacError } from '../errors.ts';
import { ensureDir, fileError } from '../lib/files.ts';
import { acquireLock } from '../lib/lock.ts';
import { type Logger, silentLogger } from '../lib/log.ts';
import type { AbortOptions, ModelId } from '../lib/types.ts';
import { type CatalogFile, type CatalogModel, catalog, findInCatalog } from './catalog.ts';
import { createFileDigests, type DigestOptions } from './fetch/file-digest.ts';
import type { OnProgress } from './fetch/progress.ts';
import { modelIdOf, shardPaths } from './fetch/shards.ts';
import { fetchFromSources, originOf } from './fetch/sources.ts';
import { describeGguf, numberOf, readGguf, textOf } from './text/gguf.ts';

export type { OnProgress } from './fetch/progress.ts';

/** A model file on this machine. */
export interface StoredModel {
  readonly id: ModelId;
  readonly name: string;
  readonly quant: string;
  readonly path: string;
  readonly bytes: number;
  /** True if the catalogue states the digest; else it was recorded at the first download. */
  readonly pinned: boolean;
}

export interface ModelDetails extends StoredModel {
  readonly arch: string;
  /** Context in tokens that the model was trained for; null if the file does not state it. */
  readonly context: number | null;
  readonly template: boolean;
  readonly license: string | null;
  /** Where it came from; null for a file given by its path. */
  readonly source: string | null;
}

export interface PullOptions extends AbortOptions {
  readonly onProgress?: OnProgress | undefined;
}

export interface ModelStore {
  /**
   * A model on this machine by `name`, `name/quant`, hex id, or the path of any GGUF file (the first of several). Null
   * if it is not here.
   * @throws QvacError E_MODEL for a path without a usable GGUF file
   */
  resolve(nameOrPath: string, options?: PullOptions): Promise<StoredModel | null>;
  /**
   * Downloads a catalogue model unless it is here.
   * @throws QvacError E_NO_MODEL for an unknown name, E_MODEL for a file with a wrong digest, E_NETWORK, E_HOME
   */
  pull(name: string, options?: PullOptions): Promise<StoredModel>;
  list(): Promise<readonly StoredModel[]>;
  /** Deletes a pulled model. False if it was not here. */
  remove(name: string): Promise<boolean>;
  show(nameOrPath: string, options?: PullOptions): Promise<ModelDetails | null>;
}

export interface ModelStoreInit {
  /** Folder of pulled files. */
  readonly dir: string;
  readonly logger?: Logger | undefined;
  /** Files that are used for a catalogue model if they have its digest. */
  readonly given?: readonly string[] | undefined;
  /** @default the catalogue */
  readonly models?: readonly CatalogModel[] | undefined;
}

export function createModelStore(init: ModelStoreInit): ModelStore {
  return new FolderStore(init);
}

class FolderStore implements ModelStore {
  readonly #dir: string;
  readonly #logger: Logger;
  readonly #given: readonly string[];
  readonly #models: readonly CatalogModel[];
  readonly #digests: ReturnType<typeof createFileDigests>;

  constructor({ dir, logger = silentLogger, given = [], models = catalog }: ModelStoreInit) {
    this.#dir = dir;
    this.#logger = logger;
    this.#given = given;
    this.#models = models;
    this.#digests = createFileDigests(join(dir, 'digests.json'));
  }

  async resolve(nameOrPath: string, options: PullOptions = {}): Promise<StoredModel | null> {
    const known = findInCatalog(nameOrPath, this.#models);
    if (known !== null) return await this.#here(known.model, known.file, options);
    if (/^[0-9a-f]{64}$/i.test(nameOrPath))
      return (await this.list()).find(({ id }) => id === nameOrPath.toLowerCase()) ?? null;
    if (/\.gguf$/i.test(nameOrPath) || nameOrPath.includes('/') || (await sizeOfFile(nameOrPath)) !== null)
      return await this.#file(resolvePath(nameOrPath), options);
    return null;
  }

  async pull(name: string, options: PullOptions = {}): Promise<StoredModel> {
    const known = findInCatalog(name, this.#models);
    if (known === null)
      throw new QvacError('E_NO_MODEL', `"${name}" is not in the catalogue`, {
        hint: `known: ${this.#models.map((model) => model.name).join(', ')}; for any other GGUF file pass its path`,
      });
    const { model, file } = known;
    const path = this.#pathOf(model, file);
    const here = await this.resolve(name, options);
    if (here !== null) return here;
    await ensureDir(join(this.#dir, model.name));
    const release = await acquireLock(`${path}.lock`, `the download of ${model.name}/${file.quant}`);
    try {
      return (await this.#stored(model, file, options)) ?? (await this.#bring(model, file, path, options));
    } finally {
      await release();
    }
  }

  async list(): Promise<readonly StoredModel[]> {
    const found = this.#models.flatMap((model) =>
      model.files.map((file) =>
        this.#here(model, file, {}).catch((error: unknown) => {
          this.#logger.warn('a stored model cannot be used', {
            model: model.name,
            quant: file.quant,
            reason: messageOf(error),
          });
          return null;
        }),
      ),
    );
    return (await Promise.all(found)).filter((model) => model !== null);
  }

  async remove(name: string): Promise<boolean> {
    const known = findInCatalog(name, this.#models);
    if (known === null)
      throw new QvacError('E_NO_MODEL', `"${name}" is not in the catalogue`, { hint: 'qvac models ls' });
    const path = this.#pathOf(known.model, known.file);
    const was = (await sizeOfFile(path)) !== null || (await sizeOfFile(`${path}.part`)) !== null;
    for (const suffix of ['', '.part', '.part.etag', '.json']) {
      await rm(`${path}${suffix}`, { force: true }).catch((error: unknown) => {
        throw fileError(error, `remove ${path}`);
      });
    }
    return was;
  }

  async show(nameOrPath: string, options: PullOptions = {}): Promise<ModelDetails | null> {
    const model = await this.resolve(nameOrPath, options);
    if (model === null) return null;
    const header = await readGguf(model.path);
    const { arch } = describeGguf(header);
    return {
      ...model,
      arch,
      context: numberOf(header, `${arch}.context_length`) ?? null,
      template: textOf(header, 'tokenizer.chat_template') !== undefined,
      license:
        this.#models.find(({ name }) => name === model.name)?.license ?? textOf(header, 'general.license') ?? null,
      source: (await originOf(model.path))?.source ?? null,
    };
  }

  #pathOf(model: CatalogModel, file: CatalogFile): string {
    return join(this.#dir, model.name, `${file.quant}.gguf`);
  }

  async #here(model: CatalogModel, file: CatalogFile, options: DigestOptions): Promise<StoredModel | null> {
    return (await this.#stored(model, file, options)) ?? (await this.#givenFor(model, file, options));
  }

  async #stored(model: CatalogModel, file: CatalogFile, options: DigestOptions): Promise<StoredModel | null> {
    const path = this.#pathOf(model, file);
    const bytes = await sizeOfFile(path);
    if (bytes === null) return null;
    // A pinned file needs no record of its download: its digest identifies it.
    const expected = file.sha256 ?? (await originOf(path))?.sha256;
    if (expected === undefined) return null;
    const sha256 = await this.#digests.of(path, options);
    if (sha256 !== expected)
      throw new QvacError('E_MODEL', `${path} has changed: its SHA-256 is ${sha256}, not ${expected}`, {
        hint: `qvac models rm ${model.name}/${file.quant}, then pull it again`,
      });
    return { id: sha256 as ModelId, name: model.name, quant: file.quant, path, bytes, pinned: file.sha256 !== null };
  }

  async #givenFor(model: CatalogModel, file: CatalogFile, options: DigestOptions): Promise<StoredModel | null> {
    if (file.sha256 === null) return null;
    for (const path of this.#given) {
      const bytes = await sizeOfFile(path);
      if (bytes !== null && (await this.#digests.of(path, options)) === file.sha256)
        return {
          id: file.sha256 as ModelId,
          name: model.name,
          quant: file.quant,
          path: resolvePath(path),
          bytes,
          pinned: true,
        };
    }
    return null;
  }

  /** Any GGUF file; named by the catalogue if its digest is known there, else by its own metadata. */
  async #file(path: string, options: DigestOptions): Promise<StoredModel> {
    const header = await readGguf(path);
    const shards = await shardPaths(header);
    const { id, bytes } = await this.#identify(shards, options);
    const pinned = this.#models
      .flatMap((model) => model.files.map((file) => ({ model, file })))
      .find(({ file }) => file.sha256 === id);
    if (pinned !== undefined)
      return { id, name: pinned.model.name, quant: pinned.file.quant, path, bytes, pinned: true };
    const { name, quant } = describeGguf(header);
    return { id, name, quant, path: shards[0] ?? path, bytes, pinned: false };
  }

  async #identify(
    paths: readonly string[],
    options: DigestOptions,
  ): Promise<{ readonly id: ModelId; readonly bytes: number }> {
    const digests: string[] = [];
    let bytes = 0;
    for (const path of paths) {
      digests.push(await this.#digests.of(path, options));
      bytes += (await sizeOfFile(path)) ?? 0;
    }
    return { id: modelIdOf(digests), bytes };
  }

  async #bring(model: CatalogModel, file: CatalogFile, path: string, options: PullOptions): Promise<StoredModel> {
    const sha256 = await fetchFromSources(
      { model, file, path, digestOf: (fetched) => this.#digests.of(fetched, options), logger: this.#logger },
      options,
    );
    return {
      id: sha256 as ModelId,
      name: model.name,
      quant: file.quant,
      path,
      bytes: (await sizeOfFile(path)) ?? 0,
      pinned: file.sha256 !== null,
    };
  }
}

async function sizeOfFile(path: string): Promise<number | null> {
  const found = await stat(path).catch(() => null);
  return found?.isFile() === true ? found.size : null;
}
