import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { copyFile, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { type CatalogModel, catalog, findInCatalog } from '../../src/model/catalog.ts';
import { createFileDigests, sha256OfFile } from '../../src/model/fetch/file-digest.ts';
import { modelIdOf, shardPaths } from '../../src/model/fetch/shards.ts';
import { createModelStore, type ModelStore } from '../../src/model/store.ts';
import { readGguf } from '../../src/model/text/gguf.ts';
import { createFileServer, type FileServer, sendFile } from '../support/file-server.ts';
import { type TestModel, tinyModel } from '../support/models.ts';

let tiny: TestModel;
let bytes: Buffer;
before(async () => {
  tiny = await tinyModel();
  bytes = await readFile(tiny.path);
});

describe('the catalogue', () => {
  it('knows models by name and quantisation', () => {
    assert.deepEqual(
      catalog.map(({ name }) => name),
      ['smollm2-135m', 'qwen3-0.6b', 'qwen3-1.7b', 'qwen3-4b', 'qwen3-8b', 'llama-3.2-1b', 'llama-3.2-3b'],
    );
    assert.equal(findInCatalog('Qwen3-4B')?.file.quant, 'q4_k_m');
    assert.equal(findInCatalog('qwen3-4b/q8_0')?.file.quant, 'q8_0');
    for (const name of ['qwen3-4b/q9', 'qwen', 'qwen3-4b/q8_0/x', '', '/']) assert.equal(findInCatalog(name), null);
  });

  it('pins the default file of each name, first at its revision, and fetches over TLS', () => {
    for (const { name, defaultQuant, files } of catalog)
      assert.match(files.find(({ quant }) => quant === defaultQuant)?.sha256 ?? '', /^[0-9a-f]{64}$/, name);
    const digests = catalog.flatMap(({ files }) => files.flatMap(({ sha256 }) => sha256 ?? []));
    assert.equal(new Set(digests).size, digests.length);
    const [first, second] = findInCatalog('qwen3-4b')?.file.sources ?? [];
    assert.match(first?.kind === 'hub' ? first.url : '', /\/resolve\/[0-9a-f]{40}\//);
    assert.match(second?.kind === 'hub' ? second.url : '', /\/resolve\/main\//);
    for (const { files } of catalog)
      for (const { sources } of files)
        for (const source of sources) if (source.kind === 'hub') assert.match(source.url, /^https:\/\/\S+\.gguf$/);
  });
});

describe('the model store', () => {
  let dir = '';
  let servers: FileServer[] = [];
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'qvac-store-'));
  });
  afterEach(async () => {
    for (const server of servers.splice(0)) await server.close();
    await rm(dir, { recursive: true });
  });

  async function serve(content: Buffer): Promise<FileServer> {
    const server = await createFileServer((request, response) => sendFile(content, request, response));
    servers = [...servers, server];
    return server;
  }

  function storeOf(urls: readonly string[], sha256: string | null, given: readonly string[] = []): ModelStore {
    const files = [{ quant: 'f16', sha256, sources: urls.map((url) => ({ kind: 'hub', url }) as const) }];
    const models: CatalogModel[] = [{ name: 'tiny', title: 'Tiny', license: 'none', defaultQuant: 'f16', files }];
    return createModelStore({ dir: join(dir, 'models'), models, given });
  }

  it('downloads a model once, and finds it by name, digest and path', async () => {
    const server = await serve(bytes);
    const store = storeOf([server.url], tiny.id);
    assert.equal(await store.resolve('tiny'), null);
    const pulled = await store.pull('tiny');
    assert.deepEqual(
      { ...pulled, path: '' },
      { id: tiny.id, name: 'tiny', quant: 'f16', path: '', bytes: bytes.length, pinned: true },
    );
    assert.deepEqual(await store.pull('tiny/f16'), pulled);
    assert.equal(server.ranges.length, 1);
    for (const name of ['tiny', 'TINY/F16', tiny.id, tiny.id.toUpperCase(), pulled.path])
      assert.deepEqual(await store.resolve(name), pulled);
    assert.deepEqual(await store.list(), [pulled]);
    assert.deepEqual(await store.show('tiny'), {
      ...pulled,
      arch: 'qwen3',
      context: 4096,
      template: true,
      license: 'none',
      source: server.url,
    });
    assert.equal(await store.remove('tiny'), true);
    assert.equal(await store.remove('tiny'), false);
    assert.deepEqual(await store.list(), []);
    assert.equal((await readdir(join(dir, 'models', 'tiny'))).length, 0);
  });

  it('records a digest that the catalogue does not state, and checks it from then on', async () => {
    const store = storeOf([(await serve(bytes)).url], null);
    const pulled = await store.pull('tiny');
    assert.deepEqual([pulled.id, pulled.pinned], [tiny.id, false]);
    await writeFile(pulled.path, Buffer.concat([bytes, Buffer.from('x')]));
    await assert.rejects(store.resolve('tiny'), { code: 'E_MODEL', message: /has changed/ });
    assert.deepEqual(await store.list(), []);
    assert.equal(await store.remove('tiny'), true);
    assert.equal((await store.pull('tiny')).id, tiny.id);
  });

  it('removes a file with a wrong digest and tries the next source', async () => {
    const altered = Buffer.from(bytes);
    altered[altered.length - 100] = (altered.at(-100) ?? 0) ^ 1;
    const [bad, good] = [await serve(altered), await serve(bytes)];
    assert.equal((await storeOf([bad.url, good.url], tiny.id).pull('tiny')).id, tiny.id);
    await storeOf([], tiny.id).remove('tiny');
    await assert.rejects(storeOf([bad.url], tiny.id).pull('tiny'), { code: 'E_MODEL', message: /expected/ });
    assert.ok(!(await readdir(join(dir, 'models', 'tiny'))).includes('f16.gguf'));
  });

  it('refuses a file that is not a model', async () => {
    await assert.rejects(storeOf([(await serve(Buffer.from('<html>not found</html>'))).url], null).pull('tiny'), {
      code: 'E_MODEL',
      message: /not a GGUF/,
    });
    await assert.rejects(storeOf([(await serve(bytes.subarray(0, 100_000))).url], null).pull('tiny'), {
      code: 'E_MODEL',
      message: /cut short/,
    });
    assert.deepEqual(await storeOf([], null).list(), []);
  });

  it('uses a given file with the right digest, without the network', async () => {
    const other = join(dir, 'other.gguf');
    await copyFile(tiny.path, other);
    const store = storeOf([], tiny.id, [join(dir, 'missing.gguf'), other]);
    const model = await store.pull('tiny');
    assert.deepEqual([model.path, model.name, model.pinned], [other, 'tiny', true]);
    assert.equal(await storeOf([], '0'.repeat(64), [other]).resolve('tiny'), null);
  });

  it('takes any GGUF file by path, with its own name', async () => {
    const store = storeOf([], null);
    assert.deepEqual(await store.resolve(tiny.path), {
      id: tiny.id,
      name: 'tiny-random',
      quant: 'f16',
      path: tiny.path,
      bytes: bytes.length,
      pinned: false,
    });
    await assert.rejects(store.resolve(join(dir, 'missing.gguf')), { code: 'E_MODEL', message: /no such file/ });
    await assert.rejects(store.resolve(`${dir}/`), { code: 'E_MODEL' });
    const text = join(dir, 'text');
    await writeFile(text, 'hello');
    await assert.rejects(store.resolve(text), { code: 'E_MODEL', message: /not a GGUF/ });
    assert.equal(await store.resolve('nothing-of-the-kind'), null);
    assert.equal(await store.resolve('0'.repeat(64)), null);
  });

  it('lists the known names if a name is unknown', async () => {
    await assert.rejects(storeOf([], null).pull('nope'), { code: 'E_NO_MODEL', hint: /tiny/ });
    await assert.rejects(storeOf([], null).remove('nope'), { code: 'E_NO_MODEL' });
    await assert.rejects(storeOf([], null).pull('tiny'), { code: 'E_NO_MODEL', message: /no source/ });
  });

  it('is downloaded by one process at a time', async () => {
    const server = await serve(bytes);
    const [first, second] = await Promise.allSettled([
      storeOf([server.url], tiny.id).pull('tiny'),
      storeOf([server.url], tiny.id).pull('tiny'),
    ]);
    assert.ok([first, second].some(({ status }) => status === 'fulfilled'));
    for (const result of [first, second])
      if (result.status === 'rejected') assert.equal(result.reason.code, 'E_LOCKED');
  });
});

describe('digests of files', () => {
  let dir = '';
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'qvac-digest-'));
  });
  after(() => rm(dir, { recursive: true }));

  it('are computed once while the file stays the same', async () => {
    const path = join(dir, 'file');
    const memory = join(dir, 'memory.json');
    await writeFile(path, 'one');
    const digests = createFileDigests(memory);
    const one = createHash('sha256').update('one').digest('hex');
    let reads = 0;
    const options = { onProgress: (): void => void reads++ };
    assert.equal(await digests.of(path, options), one);
    const before = reads;
    assert.equal(await createFileDigests(memory).of(path, options), one);
    assert.equal(reads, before);
    const { mtime } = await stat(path);
    await writeFile(path, 'two');
    await utimes(path, mtime, new Date(mtime.getTime() + 5000));
    assert.equal(await digests.of(path, options), createHash('sha256').update('two').digest('hex'));
    await writeFile(memory, '{"broken');
    assert.equal(await digests.of(path), await sha256OfFile(path));
  });

  it('stop if the signal aborts', async () => {
    await assert.rejects(sha256OfFile(tiny.path, { signal: AbortSignal.abort(new Error('enough')) }), /enough/);
  });
});

describe('a model in several files', () => {
  let dir = '';
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'qvac-shards-'));
  });
  after(() => rm(dir, { recursive: true }));

  it('is identified by the digests of all its files, in order', async () => {
    const [first, second] = [join(dir, 'm-00001-of-00002.gguf'), join(dir, 'm-00002-of-00002.gguf')];
    await copyFile(tiny.path, first);
    const header = await readGguf(first);
    const split = { ...header, metadata: new Map([...header.metadata, ['split.count', 2] as const]) };
    await assert.rejects(shardPaths(split), { code: 'E_MODEL', message: /no such file/ });
    await copyFile(tiny.path, second);
    assert.deepEqual(await shardPaths(split), [first, second]);
    assert.deepEqual(await shardPaths(header), [first]);
    await assert.rejects(shardPaths({ ...split, path: second }), {
      code: 'E_MODEL',
      message: /one of the 2 files of a model/,
    });
  });

  it('has the id of section 2', () => {
    const digests = ['11'.repeat(32), '22'.repeat(32)];
    const tag = Buffer.alloc(16);
    tag.write('qvac/shards/1');
    assert.equal(
      modelIdOf(digests),
      createHash('sha256')
        .update(tag)
        .update(Buffer.from(digests.join(''), 'hex'))
        .digest('hex'),
    );
    assert.equal(modelIdOf(digests.slice(0, 1)), digests[0]);
  });
});
