import { readJson, writeFileAtomic } from '../../lib/files.ts';

/** Ports that the system chose in an earlier run, by the address that asked for any. */
export type KeptPorts = Readonly<Record<string, number>>;

const anyPort = /\/tcp\/0$/;

/** What the file remembers; nothing where it is damaged. */
export async function readKeptPorts(path: string): Promise<KeptPorts> {
  const value = await readJson(path).catch(() => undefined);
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(
    Object.entries(value).filter(([, port]) => Number.isInteger(port) && port > 0 && port < 65_536),
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
    await writeFileAtomic(path, `${JSON.stringify({ [address]: Number(port) })}\n`);
}
