import { createJsonFile, type JsonFile } from '../../lib/json-file.ts';

/** Ports that the system chose in an earlier run, by the listening address that asked for any. */
export type KeptPorts = Readonly<Record<string, number>>;

const anyPort = /\/tcp\/0$/;

/** The kept ports; none if the file is missing or damaged. */
export async function readKeptPorts(path: string): Promise<KeptPorts> {
  return (await keptPortsFile(path).read()) ?? {};
}

function keptPortsFile(path: string): JsonFile<KeptPorts> {
  return createJsonFile(path, { what: 'the kept ports', onDamaged: 'start-anew', toJson: (ports) => ports, parse });
}

/** Leaves out what is not a port. */
function parse(json: unknown): KeptPorts | null {
  if (typeof json !== 'object' || json === null) return null;
  return Object.fromEntries(
    Object.entries(json).filter(([, port]) => Number.isInteger(port) && port > 0 && port < 65_536),
  ) as KeptPorts;
}

/** `listen` with the kept port, if any, in place of each `/tcp/0`. */
export function withKeptPorts(listen: readonly string[], kept: KeptPorts): readonly string[] {
  return listen.map((address) => {
    const port = anyPort.test(address) ? kept[address] : undefined;
    return port === undefined ? address : address.replace(anyPort, `/tcp/${port}`);
  });
}

/**
 * Keeps the port that each `/tcp/0` of `listen` got, if it is the only such address of its IP version: of several,
 * nothing says which got which.
 * @param addrs where the node listens
 */
export async function keepPorts(path: string, listen: readonly string[], addrs: readonly string[]): Promise<void> {
  const ports = ['/ip4/', '/ip6/'].flatMap((version) => {
    const [address, ...others] = listen.filter((each) => each.startsWith(version) && anyPort.test(each));
    const fixed = new Set(portsOf(listen.filter((each) => each.startsWith(version))));
    const [port, ...more] = new Set(
      portsOf(addrs.filter((each) => each.startsWith(version))).filter((each) => !fixed.has(each)),
    );
    const isSure = others.length === 0 && more.length === 0;
    return isSure && address !== undefined && port !== undefined ? [[address, port] as const] : [];
  });
  if (ports.length > 0) await keptPortsFile(path).write(Object.fromEntries(ports));
}

function portsOf(addrs: readonly string[]): readonly number[] {
  return addrs.flatMap((address) => /\/tcp\/([1-9]\d*)/.exec(address)?.[1] ?? []).map(Number);
}
