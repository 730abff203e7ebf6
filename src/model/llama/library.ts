import { availableParallelism, cpus } from 'node:os';
import { basename } from 'node:path';
import type { Llama, LlamaModel, LlamaModelOptions } from 'node-llama-cpp';
import { messageOf, QvacError } from '../../errors.ts';
import { type Logger, silentLogger } from '../../lib/log.ts';
import type { Platform } from '../run/engine.ts';
import { startWithDevice } from '../run/native/backend.ts';
import type { GgufHeader } from '../text/gguf.ts';

/** The library with what its class declares (protocol section 2). */
export interface Library {
  readonly llama: Llama;
  readonly backend: 'cpu' | 'cuda' | 'metal' | 'vulkan';
  readonly kernels: string;
  readonly device: string;
}

/** What llama.cpp said last: the reason where a load fails. The library has one log for the whole process. */
const lastErrors: string[] = [];
let logger: Logger = silentLogger;
const libraries = new Map<'auto' | 'off', Promise<Library>>();

/**
 * From now on `to` gets what llama.cpp says, at debug. @default who got it before
 * @returns who gets it
 */
export function logTo(to: Logger | undefined): Logger {
  logger = to ?? logger;
  return logger;
}

/**
 * One instance serves the whole process if it can: a second one would take the first one's log away. One that runs on a
 * GPU does not serve 'off', since it hands large products to the GPU even without layers there.
 * @throws QvacError E_ENGINE if the engine cannot be loaded
 */
export async function loadLibrary(gpu: 'auto' | 'off' | 'any'): Promise<Library> {
  for (const [loadedFor, known] of libraries) {
    const library = await known;
    if (gpu === 'any' || gpu === loadedFor || (gpu === 'off' && library.backend === 'cpu')) return library;
  }
  const key = gpu === 'off' ? 'off' : 'auto';
  const loading = libraries.get(key) ?? importLibrary(key);
  libraries.set(key, loading);
  // A failure is not kept, so that a GPU build that is installed meanwhile is found.
  loading.catch(() => libraries.delete(key));
  return await loading;
}

async function importLibrary(gpu: 'auto' | 'off'): Promise<Library> {
  try {
    const { getLlama, LlamaLogLevel } = await import('node-llama-cpp');
    const start = (asked: 'auto' | false): Promise<Llama> =>
      getLlama({
        gpu: asked,
        build: 'never',
        skipDownload: true,
        progressLogs: false,
        // No limit of its own: the class declares the number of threads, and the library must keep to it.
        maxThreads: 0,
        logLevel: LlamaLogLevel.log,
        logger(level, message) {
          if (level === 'error' || level === 'fatal') lastErrors.push(message.trim());
          lastErrors.splice(0, lastErrors.length - 8);
          logger.debug(message.trim(), { from: 'llama.cpp', level });
        },
      });
    const llama = gpu === 'auto' ? await startWithDevice(start) : await start(false);
    const devices = await llama.getGpuDeviceNames();
    const processor = cpus()[0]?.model.trim() ?? 'CPU';
    return {
      llama,
      backend: llama.gpu === false ? 'cpu' : llama.gpu,
      // Which of the CPU builds runs changes the bits, and the flags alone do not always tell them apart.
      kernels: [...devices, ...loadedBuilds(), llama.systemInfo.trim()].join(' | '),
      device: devices.length > 0 ? devices.join(', ') : processor,
    };
  } catch (error) {
    throw new QvacError('E_ENGINE', `the inference engine cannot be loaded (${lineOf(error)})`, {
      hint: 'qvac doctor',
      cause: error,
    });
  }
}

/**
 * The CPU builds of the library that this process has loaded, `cpu-zen4`. Its log tells them, too, but at times too
 * late.
 */
function loadedBuilds(): readonly string[] {
  // Else it would ask name servers about every open connection.
  Object.assign(process.report, { excludeNetwork: true });
  const { sharedObjects = [] } = process.report.getReport() as { readonly sharedObjects?: readonly string[] };
  // A library that was given up because it has no GPU leaves its builds in the process.
  return [...new Set(sharedObjects.flatMap((path) => /ggml-(cpu-\w+)\./.exec(basename(path))?.[1] ?? []))].sort();
}

/** What computes, and its memory now. */
export async function platformOf({ llama, backend, kernels, device }: Library): Promise<Platform> {
  const memory = backend === 'cpu' ? await llama.getRamState() : await llama.getVramState();
  return {
    engine: `llama.cpp ${llama.llamaCppRelease.release}`,
    backend,
    kernels,
    device,
    memory: memory.total,
    freeMemory: memory.free,
    cores: availableParallelism(),
  };
}

/** @throws QvacError E_ENGINE if memory is lacking, else E_MODEL; the reason of an aborted `loadSignal` */
export async function loadModel(
  llama: Llama,
  header: GgufHeader,
  options: Omit<LlamaModelOptions, 'modelPath'>,
): Promise<LlamaModel> {
  lastErrors.length = 0;
  try {
    return await llama.loadModel({ modelPath: header.path, ...options });
  } catch (error) {
    if (options.loadSignal?.aborted === true) throw error;
    // The log arrives one turn of the event loop after the failure.
    await new Promise((resume) => setImmediate(resume));
    if (isMemoryError(error))
      throw new QvacError('E_ENGINE', `not enough memory for ${basename(header.path)} (${lineOf(error)})`, {
        hint: 'use a smaller model or quantisation',
        cause: error,
      });
    const reason = lastErrors[0]?.replace(/^.*error loading model: /, '') ?? lineOf(error);
    throw new QvacError('E_MODEL', `the engine cannot load ${basename(header.path)} (${reason})`, {
      hint: 'the file may be damaged, or its architecture unknown to this engine',
      cause: error,
    });
  }
}

function isMemoryError(error: unknown): boolean {
  return error instanceof Error && (error.name === 'InsufficientMemoryError' || /memory|VRAM/i.test(error.message));
}

/** The first line of an error's message. */
export function lineOf(error: unknown): string {
  return messageOf(error).split('\n', 1)[0]?.slice(0, 200) ?? '';
}
