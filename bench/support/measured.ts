import type { TestContext } from 'node:test';

/** Runs one measurement with helpers made for tests, and then what these have to clean up. */
export async function measured<Result>(run: (context: TestContext) => Promise<Result>): Promise<Result> {
  const cleanUp: (() => unknown)[] = [];
  try {
    return await run({ after: (each: () => unknown) => void cleanUp.push(each) } as unknown as TestContext);
  } finally {
    for (const each of cleanUp.reverse()) await each();
  }
}
