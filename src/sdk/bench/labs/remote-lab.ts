import { type ChildProcess, spawn } from 'node:child_process';
import { QvacError } from '../../../errors.ts';
import type { StepMeasures } from '../answers/measure.ts';
import type { CaseAnswer } from '../answers/tasks.ts';
import type { Lab, LabFacts, Timed } from './lab.ts';
import { type Envelope, fromWire, type LabInit, type Reply, type Request, toWire, type WireCase } from './wire.ts';

/**
 * A lab in a process of its own: one process can load one CPU build of the engine only.
 * @param command the arguments behind `node` that start `serveLab`
 * @param name of what it computes with, for errors
 */
export async function startRemoteLab(command: readonly string[], name: string, init: LabInit): Promise<Lab> {
  const child = spawn(process.execPath, [...command], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const calls = createCalls(child, name);
  try {
    await calls.run({ op: 'open', init });
  } catch (error) {
    child.kill();
    throw error;
  }
  return {
    facts: async () => (await calls.run({ op: 'facts' })) as LabFacts,
    async answer(task, job) {
      const { value, ...times } = (await calls.run({ op: 'answer', task, job })) as Timed<readonly WireCase[]>;
      return { value: value.map(({ name, answer }): CaseAnswer => ({ name, answer: fromWire(answer) })), ...times };
    },
    measure: async (job, answers) =>
      (await calls.run({ op: 'measure', job, answers: answers.map(toWire) })) as Timed<readonly StepMeasures[]>,
    dispose: () => calls.end(),
  };
}

interface Calls {
  run(request: Request): Promise<unknown>;
  end(): Promise<void>;
}

function createCalls(child: ChildProcess, name: string): Calls {
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  const ended = Promise.withResolvers<void>();
  let last = 0;
  const fail = (why: string): void => {
    for (const call of waiting.values())
      call.reject(new QvacError('E_ENGINE', `the process that computes with the CPU build ${name} ${why}`));
    waiting.clear();
  };
  child.on('message', (reply: Reply) => {
    const call = waiting.get(reply.id);
    waiting.delete(reply.id);
    if ('error' in reply) call?.reject(new QvacError('E_ENGINE', reply.error));
    else call?.resolve(reply.value);
  });
  child.on('error', (error) => fail(`did not start (${error.message})`));
  child.on('exit', (code, signal) => {
    fail(`ended (${code ?? signal})`);
    ended.resolve();
  });
  return {
    run(request) {
      const call = Promise.withResolvers<unknown>();
      const envelope: Envelope = { id: ++last, request };
      waiting.set(envelope.id, call);
      child.send(envelope, (error) => {
        if (error !== null) call.reject(new QvacError('E_ENGINE', `${name} took no request (${error.message})`));
      });
      return call.promise;
    },
    async end() {
      if (child.connected) child.disconnect();
      if (child.exitCode === null && child.signalCode === null) await ended.promise;
    },
  };
}
