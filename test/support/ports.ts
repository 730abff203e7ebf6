import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below the ports that systems choose by themselves, 32_768 and above on Linux. */
const [firstPort, ports] = [20_000, 10_000];
/** How far apart processes with neighbouring ids start. */
const stride = 10;
let tried = 0;

/**
 * A free TCP port of 127.0.0.1 that the system gives to nobody who asks for any port, so that a node which stopped can
 * listen there again.
 */
export async function quietPort(): Promise<number> {
  while (tried < ports) {
    const port = firstPort + ((process.pid * stride + tried++) % ports);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) =>
      server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true)),
    );
    if (!isFree) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
  throw new Error('no port is free');
}

/**
 * A loopback address of a test's own: a port that the system chose there stays free while its node restarts. Linux alone
 * has more than one.
 * @param host its last number
 */
export function ownLoopback(host: number): string {
  return process.platform === 'linux' ? `127.0.0.${host}` : '127.0.0.1';
}
