import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { kindOfIp } from '../../../lib/ip-kind.ts';

/** The private IPv4 addresses at which the home router may be, the likeliest first. */
export async function gateways(): Promise<readonly string[]> {
  const routes = await readFile('/proc/net/route', 'utf8').catch(() => null);
  const found = routes === null ? guesses() : defaultRoutes(routes);
  return [...new Set(found)].filter((address) => kindOfIp(address) === 'private');
}

/** The gateways of the default routes in the text of `/proc/net/route`, those of the lowest metric first. */
export function defaultRoutes(text: string): readonly string[] {
  return text
    .split('\n')
    .slice(1)
    .map((line) => line.split('\t'))
    .filter(([, destination, gateway]) => destination === '00000000' && /^[0-9A-F]{8}$/.test(gateway ?? ''))
    .toSorted((a, b) => Number(a[6]) - Number(b[6]))
    .map(([, , gateway = '']) => [...Buffer.from(gateway, 'hex').reverse()].join('.'));
}

/** The first address of each network of this machine, which most home routers have. */
function guesses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((infos) =>
    (infos ?? [])
      .filter(({ family, internal }) => family === 'IPv4' && !internal)
      .map(({ address }) => address.replace(/\d+$/, '1')),
  );
}
