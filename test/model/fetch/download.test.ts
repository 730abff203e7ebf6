import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { downloadFile } from '../../../src/model/fetch/download.ts';
import type { PullProgress } from '../../../src/model/fetch/progress.ts';
import { breakOff, createFileServer, type FileServer, sendFile, sendPart } from '../../support/file-server.ts';

const content = randomBytes(300_000);
const half = 150_000;

/** A reason to skip where the system allows no namespace of one's own. */
function noNamespace(): string | false {
  return spawnSync('unshare', ['-rm', 'true']).status === 0 ? false : 'unshare -rm is not allowed here';
}

describe('downloads', () => {
  let dir = '';
  let path = '';
  let server: FileServer | null = null;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'qvac-download-'));
    path = join(dir, 'sub', 'model.gguf');
  });
  afterEach(async () => {
    await server?.close();
    server = null;
    await rm(dir, { recursive: true });
  });

  async function download(
    respond: Parameters<typeof createFileServer>[0],
    init: Partial<Parameters<typeof downloadFile>[0]> = {},
  ): Promise<Buffer> {
    await server?.close();
    server = await createFileServer(respond);
    await downloadFile({ url: server.url, path, retryMs: 1, ...init });
    return await readFile(path);
  }

  /** Downloads to a disk of its own size. @returns code and message of the error, and the bytes that stay */
  async function onDisk(size: string, url: string): Promise<readonly string[]> {
    const script = join(dir, 'full.ts');
    const module = new URL('../../../src/model/fetch/download.ts', import.meta.url).href;
    await writeFile(
      script,
      `
      import { stat } from 'node:fs/promises';
      import { downloadFile } from ${JSON.stringify(module)};
      const [url, path] = ${JSON.stringify([url, join(dir, 'm')])};
      const error = await downloadFile({ url, path }).catch((error) => error);
      console.log(error?.code, error?.message);
      console.log((await stat(error ? path + '.part' : path)).size);
    `,
    );
    // The disk lies under the script itself, which is read before.
    const mount = 'text=$(cat "$1"); mount -t tmpfs -o "size=$3" none "$2"; printf %s "$text" > "$1"; exec "$0" "$1"';
    const { stdout } = await promisify(execFile)(
      'unshare',
      ['-rm', 'sh', '-c', mount, process.execPath, script, dir, size],
      { timeout: 60_000 },
    );
    return stdout.split('\n');
  }

  it('fetch the file, report progress, and leave nothing else', async () => {
    const reports: PullProgress[] = [];
    assert.deepEqual(
      await download((request, response) => sendFile(content, request, response), {
        onProgress: (progress) => reports.push(progress),
      }),
      content,
    );
    assert.deepEqual(await readdir(join(dir, 'sub')), ['model.gguf']);
    const last = reports.at(-1);
    assert.deepEqual([last?.phase, last?.doneBytes, last?.totalBytes], ['download', content.length, content.length]);
    assert.match(last?.source ?? '', /^127\.0\.0\.1:/);
  });

  it('continue after the connection broke', async () => {
    assert.deepEqual(
      await download((request, response, count) =>
        count === 0 ? sendPart(content, half, response, path) : sendFile(content, request, response),
      ),
      content,
    );
    assert.deepEqual(server?.ranges, ['', `bytes=${half}-`]);
  });

  it('continue where an earlier run stopped', async () => {
    const stop = new AbortController();
    const reason = new Error('stopped');
    const broken = download((_, response) => sendPart(content, half, response, path), {
      signal: stop.signal,
      onProgress: ({ doneBytes }) => doneBytes > 0 && stop.abort(reason),
    });
    await assert.rejects(broken, /stopped|abort/i);
    const have = (await stat(`${path}.part`)).size;
    assert.ok(have <= half);
    assert.deepEqual(await download((request, response) => sendFile(content, request, response)), content);
    assert.deepEqual(server?.ranges, [have === 0 ? '' : `bytes=${have}-`]);
  });

  it('start over if the server ignores ranges or has another file now', async () => {
    const other = randomBytes(content.length);
    assert.deepEqual(
      await download((request, response, count) =>
        count === 0 ? sendPart(other, half, response, path, '"v0"') : sendFile(content, request, response),
      ),
      content,
    );
    const noRanges = (response: Parameters<typeof sendPart>[2]): void =>
      void response.writeHead(200, { 'content-length': content.length, etag: '"v1"' }).end(content);
    assert.deepEqual(
      await download((_, response, count) =>
        count === 0 ? sendPart(content, half, response, path) : noRanges(response),
      ),
      content,
    );
  });

  it('start over if the saved bytes cannot be continued', async () => {
    await download((request, response) => sendFile(content, request, response));
    await rm(path);
    await writeFile(`${path}.part`, randomBytes(content.length + 5));
    await writeFile(`${path}.part.etag`, '"v1"');
    assert.deepEqual(await download((request, response) => sendFile(content, request, response)), content);
    await rm(path);
    await writeFile(`${path}.part`, content);
    await writeFile(`${path}.part.etag`, '"v1"');
    assert.deepEqual(await download((request, response) => sendFile(content, request, response)), content);
    // Complete already: one question, no byte.
    assert.deepEqual(server?.ranges, [`bytes=${content.length}-`]);
  });

  for (const [what, headers, status] of [
    ['a range', { 'content-range': `bytes ${half}-${content.length - 1}/${content.length}` }, 206],
    ['no further byte', { 'content-range': `bytes */${half}` }, 416],
  ] as const) {
    it(`start over if the server answers with ${what} of another version`, async () => {
      const other = randomBytes(content.length);
      const file = await download((request, response, count) => {
        if (count === 0) return sendPart(other, half, response, path, '"v0"');
        if (count === 1) response.writeHead(status, { ...headers, etag: '"v1"' }).end(content.subarray(half));
        else sendFile(content, request, response);
      });
      assert.ok(file.equals(content));
      assert.deepEqual(server?.ranges, ['', `bytes=${half}-`, '']);
    });
  }

  it('continue again after a range whose answer repeats no tag', async () => {
    const later = half + 60_000;
    const { length } = content;
    const file = await download((request, response, count) => {
      if (count === 0) return sendPart(content, half, response, path);
      if (count > 1) return sendFile(content, request, response);
      response.writeHead(206, { 'content-range': `bytes ${half}-${length - 1}/${length}` });
      response.write(content.subarray(half, later));
      return breakOff(response, path, later);
    });
    assert.ok(file.equals(content));
    assert.deepEqual(server?.ranges, ['', `bytes=${half}-`, `bytes=${later}-`]);
  });

  it('do not wait for a server that sends next to nothing', async () => {
    await assert.rejects(
      download(
        (_, response) => {
          response.writeHead(200, { 'content-length': content.length, etag: '"v1"' });
          const trickle = setInterval(() => response.write('x'), 5);
          response.on('close', () => clearInterval(trickle));
        },
        { periodMs: 100 },
      ),
      { code: 'E_NETWORK', message: /next to nothing/ },
    );
    assert.ok((server?.ranges.length ?? 0) <= 6);
  });

  it('do not resume with a weak tag', async () => {
    await assert.rejects(
      download((_, response) => sendPart(content, half, response, path, 'W/"v1"'), { retryMs: 1 }),
      { code: 'E_NETWORK' },
    );
    assert.ok(server?.ranges.every((range) => range === ''));
  });

  it('refuse more or fewer bytes than announced', async () => {
    await assert.rejects(
      download(
        (_, response) =>
          void response
            .writeHead(206, { 'content-range': `bytes 0-9/5`, 'content-length': 10 })
            .end(content.subarray(0, 10)),
      ),
      { code: 'E_NETWORK', message: /more than the announced 5 bytes/ },
    );
    await assert.rejects(
      download((_, response) => sendPart(content, 10, response, path)),
      { code: 'E_NETWORK', message: /cannot download/ },
    );
    await assert.rejects(stat(path));
  });

  it('name the problem in one line', async () => {
    for (const [status, code] of [
      [404, 'E_NO_MODEL'],
      [403, 'E_NO_MODEL'],
      [503, 'E_NETWORK'],
      [302, 'E_NETWORK'],
      [400, 'E_NETWORK'],
    ] as const) {
      await assert.rejects(
        download((_, response) => void response.writeHead(status).end()),
        (error) => error instanceof Error && 'code' in error && error.code === code && !error.message.includes('\n'),
        String(status),
      );
    }
    const { url } = server ?? assert.fail();
    await server?.close();
    server = null;
    await assert.rejects(downloadFile({ url, path, retryMs: 1 }), { code: 'E_NETWORK', message: /ECONNREFUSED/ });
  });

  it('repeat a request to a silent server', async () => {
    assert.deepEqual(
      await download(
        (request, response, count) =>
          count === 0
            ? void response.writeHead(200, { 'content-length': content.length }).flushHeaders()
            : sendFile(content, request, response),
        { stallMs: 1500 },
      ),
      content,
    );
  });

  it('report a disk that is too small before they begin', async () => {
    const huge = 2 ** 52;
    await assert.rejects(
      download((_, response) => void response.writeHead(200, { 'content-length': huge }).write('x')),
      { code: 'E_HOME', message: /not enough disk space/ },
    );
  });

  it('leave space if the server announces no length', { skip: noNamespace() }, async () => {
    const chunk = Buffer.alloc(2 ** 20);
    server = await createFileServer((_, response) => {
      response.writeHead(200, { etag: '"v1"' });
      const send = (left: number): void =>
        void (left === 0 ? response.end() : response.write(chunk, () => send(left - 1)));
      send(80);
    });
    const [message = '', bytes] = await onDisk('120m', server.url);
    assert.match(message, /^E_HOME not enough disk space/);
    assert.ok(Number(bytes) >= 2 ** 26 && Number(bytes) < 80 * chunk.length, bytes);
  });

  it('report a disk that fills up, and keep the bytes so far', { skip: noNamespace() }, async () => {
    server = await createFileServer((_, response) => void response.writeHead(200, { etag: '"v1"' }).end(content));
    const [message = '', bytes] = await onDisk('100k', server.url);
    assert.match(message, /^E_HOME .*disk is full/);
    assert.ok(Number(bytes) > 0);
  });

  it('report a folder that is not writable', {
    skip: process.getuid?.() === 0 ? 'root may write everywhere' : false,
  }, async () => {
    await chmod(dir, 0o500);
    await assert.rejects(
      download((request, response) => sendFile(content, request, response)),
      { code: 'E_HOME' },
    );
  });
});
