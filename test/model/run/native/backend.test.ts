import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type StartedLibrary, startWithDevice } from '../../../../src/model/run/native/backend.ts';

/** A machine whose GPU interface starts with these devices; it writes down what is started and disposed. */
function machine(gpu: string | false, devices: readonly string[], memory: number) {
  const log: string[] = [];
  const start = (asked: 'auto' | false): Promise<StartedLibrary> => {
    const runs = asked === 'auto' ? gpu : false;
    log.push(`start ${String(runs)}`);
    return Promise.resolve({
      gpu: runs,
      getGpuDeviceNames: () => Promise.resolve(runs === false ? [] : devices),
      getVramState: () => Promise.resolve({ total: runs === false ? 0 : memory }),
      dispose: () => Promise.resolve(void log.push(`dispose ${String(runs)}`)),
    });
  };
  return { start, log };
}

describe('the backend of this machine', () => {
  it('is the GPU if the library finds a device with memory', async () => {
    const { start, log } = machine('vulkan', ['NVIDIA'], 8e9);
    assert.equal((await startWithDevice(start)).gpu, 'vulkan');
    assert.deepEqual(log, ['start vulkan']);
  });

  it('is the CPU if the GPU interface starts without a device, or with one that has no memory', async () => {
    for (const { start, log } of [machine('vulkan', [], 0), machine('cuda', ['none'], 0)]) {
      assert.equal((await startWithDevice(start)).gpu, false);
      assert.deepEqual(log.slice(1), [log[0]?.replace('start', 'dispose') ?? '', 'start false']);
    }
  });

  it('is the CPU if there is no GPU interface', async () => {
    const { start, log } = machine(false, [], 0);
    assert.equal((await startWithDevice(start)).gpu, false);
    assert.deepEqual(log, ['start false']);
  });
});
