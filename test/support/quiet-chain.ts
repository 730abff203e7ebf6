import { randomInt } from 'node:crypto';
import { QvacError } from '../../src/errors.ts';
import { type Localnet, startLocalnet } from '../../src/escrow/localnet.ts';

const attempts = 20;

/** A chain that can start again at its ports: they are below those that systems give to connections meanwhile. */
export async function startQuietChain(dir: string): Promise<Localnet> {
  for (let attempt = 1; ; attempt++)
    try {
      return await startLocalnet({ dir, port: randomInt(10_100, 32_000) });
    } catch (error) {
      if (!(error instanceof QvacError && error.code === 'E_PORT_IN_USE') || attempt === attempts) throw error;
    }
}
