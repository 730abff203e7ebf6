import { QvacError } from '../../../errors.ts';
import type { AbortOptions, ModelId } from '../../../lib/types.ts';
import type { Engine } from '../../../model/engine.ts';
import type { Variant } from '../answers/tasks.ts';
import { createLab, type Lab } from './lab.ts';
import { type Envelope, errorReply, fromWire, type LabInit, type Reply, type Request, toWire } from './wire.ts';

/** The other end of a channel to the process that started this one. */
export interface Channel {
  send(reply: Reply): void;
  onMessage(listener: (envelope: Envelope) => void): void;
  /** Resolves when the other process closes the channel or ends. */
  readonly closed: Promise<void>;
}

/** Computes for `bench audit` until the channel closes. Requests may overlap; the engine has a slot for each. */
export async function serveLab(channel: Channel, options: AbortOptions = {}): Promise<void> {
  let lab: Lab | null = null;
  const answer = async (request: Request): Promise<unknown> => {
    if (request.op === 'open') {
      lab = openLab(request.init);
      return null;
    }
    if (lab === null) throw new QvacError('E_BUG', 'the lab was not opened');
    if (request.op === 'facts') return await lab.facts(options);
    if (request.op === 'measure') return await lab.measure(request.job, request.answers.map(fromWire), options);
    const { value, ...times } = await lab.answer(request.task, request.job, options);
    return { value: value.map(({ name, answer: made }) => ({ name, answer: toWire(made) })), ...times };
  };
  channel.onMessage(({ id, request }) => {
    answer(request).then(
      (value) => channel.send({ id, value }),
      (error: unknown) => channel.send(errorReply(id, error)),
    );
  });
  await channel.closed;
  await (lab as Lab | null)?.dispose();
}

/** A lab with real engines in this process. */
function openLab(init: LabInit): Lab {
  return createLab({ open: (variant, options) => openVariant(init, variant, options) });
}

/** The channel that Node opens between a process and one that it starts with `ipc`. @throws QvacError E_USAGE */
export function processChannel(): Channel {
  if (process.send === undefined)
    throw new QvacError('E_USAGE', 'this command is started by another one', { hint: 'qvac bench audit' });
  return {
    // The other process may end before it has its reply.
    send: (reply) => void process.send?.(reply, undefined, undefined, () => undefined),
    onMessage: (listener) => process.on('message', listener),
    closed: new Promise((resolve) => process.once('disconnect', resolve)),
  };
}

async function openVariant(init: LabInit, variant: Variant, { signal }: AbortOptions): Promise<Engine> {
  const { openEngine } = await import('../../../model/llama.ts');
  const model = init.models[variant === 'kv' ? 'dear' : variant];
  if (model === undefined) throw new QvacError('E_BUG', `no model was given for ${variant}`);
  const { context, slots, threads, gpu, cacheDir, batch } = init;
  return openEngine(
    {
      modelPath: model.path,
      modelId: model.id as ModelId,
      name: model.name,
      context,
      slots,
      threads,
      gpu,
      cacheDir,
      ...(batch === null ? {} : { batch, promptBatch: batch }),
      coarseKv: variant === 'kv',
      // Every task of the benchmark gets its turn.
      queue: Number.MAX_SAFE_INTEGER,
    },
    { signal },
  );
}
