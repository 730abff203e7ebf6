import { type FileHandle, open, readFile, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { messageOf, QvacError } from '../../errors.ts';
import { anySignal } from '../../lib/abort.ts';
import { ensureDir, fileError } from '../../lib/files.ts';
import type { AbortOptions } from '../../lib/types.ts';
import { createProgressMeter, type OnProgress } from './progress.ts';

/** Silence of a server after which the request is repeated, in ms. */
const stallMs = 30_000;
/** A server must send at least this much per period, so that a trickle does not hold a download for ever. */
const minBytesPerPeriod = 65_536;
/** In ms. */
const periodMs = 60_000;
/** Free space that a file of unannounced length leaves, in bytes. */
const reserveBytes = 2 ** 30;
/** Bytes of a file of unannounced length after which the free space is checked again. */
const spaceCheckBytes = 2 ** 26;
const maxAttempts = 6;
/** If no byte ever arrived, there is no network, and more attempts are of no use. */
const maxAttemptsAtNothing = 2;
const firstRetryMs = 500;

export interface DownloadInit extends AbortOptions {
  readonly url: string;
  /** Path of the finished file; the unfinished one is `<path>.part`. */
  readonly path: string;
  readonly onProgress?: OnProgress | undefined;
  /** @default 30 s */
  readonly stallMs?: number | undefined;
  /** Period over which the server must send at least 64 KiB, in ms. @default 60 s */
  readonly periodMs?: number | undefined;
  /** Wait before the second attempt; doubles. @default 500 ms */
  readonly retryMs?: number | undefined;
}

/** An error after which another attempt may succeed. */
class Interrupted extends Error {}

/**
 * Downloads a file over HTTP. Resumes an interrupted download with a range request if the server's file is still the
 * same, and starts over if the server ignores ranges. A server that sends next to nothing counts as broken off. The
 * file appears at `path` only when it is complete.
 * @throws QvacError E_NO_MODEL if the server has no such file, E_NETWORK if it cannot be reached or keeps breaking off,
 * E_HOME if the disk is full or not writable
 * @throws the signal's reason if it aborts
 */
export async function downloadFile(init: DownloadInit): Promise<void> {
  await ensureDir(dirname(init.path));
  let failures = 0;
  let reached = -1;
  for (;;) {
    init.signal?.throwIfAborted();
    try {
      await attempt(init);
      break;
    } catch (error) {
      init.signal?.throwIfAborted();
      if (!(error instanceof Interrupted)) throw error;
      const size = await sizeOf(`${init.path}.part`);
      // An attempt that made progress resets the count; a trickle is none.
      failures = reached < 0 || size >= reached + minBytesPerPeriod ? 1 : failures + 1;
      reached = Math.max(reached, size);
      if (failures >= (reached > 0 ? maxAttempts : maxAttemptsAtNothing))
        throw new QvacError('E_NETWORK', `cannot download ${init.url} (${error.message})`, {
          hint: 'run it again: it continues where it stopped',
          cause: error,
        });
      await pause((init.retryMs ?? firstRetryMs) * 2 ** (failures - 1), init.signal);
    }
  }
  await rename(`${init.path}.part`, init.path).catch((error: unknown) => {
    throw fileError(error, `write ${init.path}`);
  });
  await rm(`${init.path}.part.etag`, { force: true });
}

async function attempt(init: DownloadInit): Promise<void> {
  const part = `${init.path}.part`;
  const have = await sizeOf(part);
  const etag = have === 0 ? '' : await readFile(`${part}.etag`, 'utf8').catch(() => '');
  const resume = have > 0 && etag !== '';
  const stall = new AbortController();
  const watch = setTimeout(() => stall.abort(new Interrupted('the server sends nothing')), init.stallMs ?? stallMs);
  let received = 0;
  const pace = setInterval(() => {
    if (received < minBytesPerPeriod) stall.abort(new Interrupted('the server sends next to nothing'));
    received = 0;
  }, init.periodMs ?? periodMs);
  const signal = anySignal(init.signal, stall.signal);
  try {
    const response = await fetch(init.url, {
      signal,
      headers: { 'accept-encoding': 'identity', ...(resume ? { range: `bytes=${have}-`, 'if-range': etag } : {}) },
    }).catch((error: unknown) => {
      throw interruption(error);
    });
    const plan = readPlan(response, resume ? { have, tag: etag } : { have: 0, tag: '' }, init.url);
    if (plan === 'complete') return;
    if (plan === 'useless') {
      await rm(part, { force: true });
      throw new Interrupted('the file on the server has changed');
    }
    await checkSpace(init.path, plan.total === null ? 0 : plan.total - plan.start);
    if (plan.start === 0) await keepTag(response, part);
    await store(response, part, plan, init, (bytes) => {
      watch.refresh();
      received += bytes;
    });
  } finally {
    clearTimeout(watch);
    clearInterval(pace);
  }
}

/** Keeps what names this version of the file, so that another attempt can continue it. */
async function keepTag(response: Response, part: string): Promise<void> {
  const tag = response.headers.get('etag') ?? response.headers.get('last-modified') ?? '';
  // A weak tag cannot be used to resume (RFC 9110 section 13.1.5).
  await writeFile(`${part}.etag`, tag.startsWith('W/') ? '' : tag).catch((error: unknown) => {
    throw fileError(error, `write ${part}`);
  });
}

/** What an earlier attempt left. */
interface Saved {
  readonly have: number;
  /** Its ETag, or its Last-Modified. */
  readonly tag: string;
}

/** Whether the answer to a range request says that it is of another version than the saved one. */
function isOther(response: Response, { have, tag }: Saved): boolean {
  const now = response.headers.get(tag.startsWith('"') ? 'etag' : 'last-modified');
  // A server may leave Last-Modified out (RFC 9110 section 15.3.7).
  return have > 0 && now !== null && now !== tag;
}

interface Plan {
  /** Bytes that an earlier attempt saved. */
  readonly start: number;
  readonly total: number | null;
}

/** `useless`: the saved bytes cannot be continued. */
function readPlan(response: Response, saved: Saved, url: string): Plan | 'complete' | 'useless' {
  const { have } = saved;
  const length = headerNumber(response.headers.get('content-length'));
  if (response.status === 200) return { start: 0, total: length };
  if (response.status === 206) {
    const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '');
    if (range === null || Number(range[1]) !== have || isOther(response, saved)) return 'useless';
    return { start: have, total: headerNumber(range[2] ?? null) };
  }
  if (response.status === 416) {
    const total = /^bytes \*\/(\d+)$/.exec(response.headers.get('content-range') ?? '')?.[1];
    return Number(total) === have && !isOther(response, saved) ? 'complete' : 'useless';
  }
  if (response.status === 404 || response.status === 410)
    throw new QvacError('E_NO_MODEL', `there is no model file at ${url}`);
  if (response.status === 401 || response.status === 403)
    throw new QvacError('E_NO_MODEL', `${url} needs a login (HTTP ${response.status})`, {
      hint: 'download the file yourself, and pass its path',
    });
  if (response.status === 429 || response.status >= 500) throw new Interrupted(`HTTP ${response.status}`);
  throw new QvacError('E_NETWORK', `${url} answers with HTTP ${response.status}`);
}

async function store(
  response: Response,
  part: string,
  plan: Plan,
  init: DownloadInit,
  onChunk: (bytes: number) => void,
): Promise<void> {
  const meter = createProgressMeter('download', new URL(init.url).host, plan.start, plan.total, init.onProgress);
  const file = await open(part, plan.start === 0 ? 'w' : 'r+').catch((error: unknown) => {
    throw fileError(error, `write ${part}`);
  });
  let at = plan.start;
  let spaceCheckedAt = 0;
  try {
    const reader = response.body?.getReader();
    for (;;) {
      const chunk = await reader?.read().catch((error: unknown) => {
        throw interruption(error);
      });
      if (chunk === undefined || chunk.done) break;
      onChunk(chunk.value.length);
      if (plan.total !== null && at + chunk.value.length > plan.total)
        throw new QvacError('E_NETWORK', `${init.url} sends more than the announced ${plan.total} bytes`);
      if (plan.total === null && at - spaceCheckedAt >= spaceCheckBytes) {
        await checkSpace(init.path, reserveBytes);
        spaceCheckedAt = at;
      }
      await writeAll(file, chunk.value, at).catch((error: unknown) => {
        throw fileError(error, `write ${part}`);
      });
      at += chunk.value.length;
      meter.advance(at);
    }
    if (plan.total !== null && at < plan.total) throw new Interrupted(`broken off after ${at} of ${plan.total} bytes`);
    await file.sync();
    meter.finish();
  } finally {
    await file.close();
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < bytes.length; )
    at += (await file.write(bytes, at, bytes.length - at, position + at)).bytesWritten;
}

/** @throws QvacError E_HOME if the disk has no room for `bytes` more */
async function checkSpace(path: string, bytes: number): Promise<void> {
  const disk = await statfs(dirname(path)).catch(() => null);
  if (disk === null) return;
  const free = disk.bavail * disk.bsize;
  if (free < bytes)
    throw new QvacError(
      'E_HOME',
      `not enough disk space for ${path}: needs ${gigabytes(bytes)} GB more, ${gigabytes(free)} GB are free`,
      { hint: 'free some space, or set QVAC_HOME to a folder on another disk' },
    );
}

function gigabytes(bytes: number): string {
  return (bytes / 1e9).toFixed(2);
}

/** A failed fetch or read as an error that allows another attempt, with its innermost reason. */
function interruption(error: unknown): Error {
  if (error instanceof Interrupted) return error;
  let inner = error;
  while (inner instanceof Error && inner.cause instanceof Error) inner = inner.cause;
  return new Interrupted(messageOf(inner), { cause: error });
}

function headerNumber(text: string | null): number | null {
  return text !== null && /^\d+$/.test(text) ? Number(text) : null;
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => null))?.size ?? 0;
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await new Promise<void>((resume, reject) => {
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', leave);
      resume();
    }, ms);
    const leave = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    signal?.addEventListener('abort', leave, { once: true });
  });
}
