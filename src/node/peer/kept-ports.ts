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

/** `listen` with each `/tcp/0` as the port of the earlier run, where there was one. */
export function withKeptPorts(listen: readonly string[], kept: KeptPorts): readonly string[] {
  return listen.map((address) => {
    const port = anyPort.test(address) ? kept[address] : undefined;
    return port === undefined ? address : address.replace(anyPort, `/tcp/${port}`);
  });
}

/** Remembers which port each `/tcp/0` of `listen` got. Only one such address tells which is whose. */
export async function keepPorts(path: string, listen: readonly string[], addrs: readonly string[]): Promise<void> {
  const open = listen.filter((address) => anyPort.test(address));
  const fixed = new Set(listen.flatMap((address) => /\/tcp\/([1-9]\d*)$/.exec(address)?.[1] ?? []));
  const ports = new Set(
    addrs.flatMap((address) => /\/tcp\/(\d+)/.exec(address)?.[1] ?? []).filter((port) => !fixed.has(port)),
  );
  const [address] = open;
  const [port] = ports;
  if (open.length === 1 && ports.size === 1 && address !== undefined && port !== undefined)
    await keptPortsFile(path).write({ [address]: Number(port) });
}
