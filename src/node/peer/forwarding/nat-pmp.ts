import { createSocket, type Socket } from 'node:dgram';
import { QvacError } from '../../../errors.ts';
import { natPmpFirstWaitMs, natPmpTries } from './constants.ts';
import type { MappedPort, PortForwarder } from './port-forwarder.ts';

/** NAT-PMP (RFC 6886): asks the home router to forward a TCP port to this machine. */

const routerPort = 5351;
const mapTcp = 2;
const isAnswer = 128;
/** What the results of an answer mean. */
const results: Readonly<Record<number, string>> = {
  1: 'it speaks another version',
  2: 'it is switched off there',
  3: 'the router has no address itself',
  4: 'the router has no room for it',
  5: 'the router does not know the operation',
};

/** Asks home routers by NAT-PMP. */
export const natPmp: PortForwarder = {
  name: 'NAT-PMP',
  forward: mapPort,
  async end(gateway, { port }, signal) {
    await mapPort(gateway, port, 0, signal);
  },
};

/**
 * Has the router at `gateway` forward an outside port, the same number if that is free, to `port` of this machine.
 * @param lifeSeconds 0 ends the forwarding
 * @throws QvacError E_NETWORK if the router refuses or does not answer; the signal's reason
 */
async function mapPort(gateway: string, port: number, lifeSeconds: number, signal: AbortSignal): Promise<MappedPort> {
  const request = Buffer.alloc(12);
  request.writeUInt8(mapTcp, 1);
  request.writeUInt16BE(port, 4);
  request.writeUInt16BE(lifeSeconds === 0 ? 0 : port, 6);
  request.writeUInt32BE(lifeSeconds, 8);
  const answer = await ask(gateway, request, (bytes) => bytes.length >= 16 && bytes.readUInt16BE(8) === port, signal);
  const result = answer.readUInt16BE(2);
  if (result !== 0)
    throw new QvacError('E_NETWORK', `the router forwards no port: ${results[result] ?? `result ${result}`}`);
  return { outsidePort: answer.readUInt16BE(10), lifeSeconds: answer.readUInt32BE(12) };
}

/** Sends a request, again after growing waits, until an answer to it comes. */
async function ask(
  gateway: string,
  request: Buffer,
  fits: (answer: Buffer) => boolean,
  signal: AbortSignal,
): Promise<Buffer> {
  const socket = createSocket('udp4');
  try {
    return await new Promise<Buffer>((resolve, reject) => {
      signal.throwIfAborted();
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
      socket.on('error', (error) => reject(new QvacError('E_NETWORK', `the router is not reached: ${error.message}`)));
      socket.on('message', (bytes, from) => {
        const isOurs = from.address === gateway && from.port === routerPort && bytes.length >= 4;
        if (isOurs && bytes[0] === 0 && bytes[1] === isAnswer + mapTcp && fits(bytes)) resolve(bytes);
      });
      repeat(socket, () => socket.send(request, routerPort, gateway), reject);
    });
  } finally {
    socket.close();
  }
}

function repeat(socket: Socket, send: () => void, giveUp: (error: Error) => void): void {
  let tries = 0;
  let timer: NodeJS.Timeout | null = null;
  const next = (): void => {
    if (tries === natPmpTries)
      return giveUp(new QvacError('E_NETWORK', 'the router does not answer requests to forward a port'));
    send();
    timer = setTimeout(next, natPmpFirstWaitMs * 2 ** tries);
    tries += 1;
  };
  socket.on('close', () => {
    if (timer !== null) clearTimeout(timer);
  });
  next();
}
