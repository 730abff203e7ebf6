import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

/**
 * An empty folder, removed with the test.
 * @param before ends work in the folder before it is removed
 */
export async function temporaryHome(
  context: TestContext,
  before: (home: string) => Promise<unknown> = async () => undefined,
): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'qvac-test-'));
  context.after(async () => {
    await before(home);
    // Retried while files are still being written: after a hook that throws, the later hooks would not run.
    await rm(home, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  });
  return home;
}
