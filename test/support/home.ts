import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

/**
 * An empty folder that goes with the test.
 * @param before what has to be ended there first
 */
export async function temporaryHome(
  context: TestContext,
  before: (home: string) => Promise<unknown> = async () => undefined,
): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'qvac-test-'));
  context.after(async () => {
    await before(home);
    // Tried again where something is still written: the next hooks are not run after one that throws, and nothing would
    // end.
    await rm(home, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  });
  return home;
}
