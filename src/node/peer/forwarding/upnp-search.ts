import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { QvacError } from '../../../errors.ts';
import { raceSignal } from '../../../lib/abort.ts';
import { maxFoundBytes, searchEveryMs, searchTries } from './constants.ts';

interface SearchTarget {
  readonly group: string;
  readonly port: number;
  /** How long an answer is waited for, in ms. */
  readonly waitMs: number;
}

/** The search of UPnP (SSDP, UPnP Device Architecture 1.1, section 1.3). */
const ssdp: SearchTarget = { group: '239.255.255.250', port: 1900, waitMs: searchTries * searchEveryMs };
const deviceTypes = [1, 2].map((version) => `urn:schemas-upnp-org:device:InternetGatewayDevice:${version}`);

/**
 * Where the router at `gateway` describes itself. Answers of other machines are ignored.
 * @param to where the search goes besides the gateway itself
 * @throws QvacError E_NETWORK if the router does not answer; the signal's reason
 */
export async function searchDevice(gateway: string, signal: AbortSignal, to: SearchTarget = ssdp): Promise<URL> {
  const own = await ownAddressTowards(gateway);
  const socket = createSocket('udp4');
  const found = Promise.withResolvers<URL>();
  socket.on('error', found.reject);
  socket.on('message', (bytes, from) => {
    const location = from.address === gateway ? locationIn(bytes) : null;
    if (location !== null) found.resolve(location);
  });
  const late = setTimeout(
    () => found.reject(new QvacError('E_NETWORK', 'the router does not answer a search')),
    to.waitMs,
  );
  let again: NodeJS.Timeout | null = null;
  try {
    socket.bind(0, own);
    await raceSignal(once(socket, 'listening'), signal);
    socket.setMulticastInterface(own);
    socket.setMulticastTTL(2);
    const send = (): void => search(socket, [to.group, gateway], to.port);
    again = setInterval(send, searchEveryMs);
    send();
    return await raceSignal(found.promise, signal);
  } finally {
    clearTimeout(late);
    if (again !== null) clearInterval(again);
    socket.close();
  }
}

function search(socket: Socket, hosts: readonly string[], port: number): void {
  for (const type of deviceTypes) {
    const lines = [
      'M-SEARCH * HTTP/1.1',
      `HOST: ${ssdp.group}:${ssdp.port}`,
      'MAN: "ssdp:discover"',
      'MX: 1',
      `ST: ${type}`,
    ];
    // What is lost is sent again.
    for (const host of hosts) socket.send(`${lines.join('\r\n')}\r\n\r\n`, port, host, () => undefined);
  }
}

function locationIn(bytes: Buffer): URL | null {
  if (bytes.length > maxFoundBytes) return null;
  const [first = '', ...headers] = bytes.toString('latin1').split('\r\n');
  const location = headers.find((line) => /^location:/i.test(line))?.slice('location:'.length);
  return /^HTTP\/1\.[01] 200/.test(first) && location !== undefined && URL.canParse(location.trim())
    ? new URL(location.trim())
    : null;
}

/** This machine's address in the network of `gateway`. */
export async function ownAddressTowards(gateway: string): Promise<string> {
  const socket = createSocket('udp4');
  try {
    // Chooses a route, and sends nothing.
    socket.connect(ssdp.port, gateway);
    await once(socket, 'connect');
    return socket.address().address;
  } catch (error) {
    throw new QvacError('E_NETWORK', 'the router is not reached', { cause: error });
  } finally {
    socket.close();
  }
}
