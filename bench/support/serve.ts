import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { startProgram } from '../../test/support/binary.ts';

export interface Served {
  readonly pid: number;
  readonly peer: string;
  readonly address: string;
  stop(): Promise<void>;
}

interface ServeEvent {
  readonly event: string;
  readonly peer: string;
  readonly addrs: readonly string[];
}

/** Flags of every process of a measurement: nothing leaves this machine. */
export const benchNetwork = ['--private', 'bench', '--no-mdns'];

/** The real `qvac serve` in a process of its own, its self-test behind it. */
export async function startServe(home: string, args: readonly string[]): Promise<Served> {
  const child = startProgram(
    ['serve', '--json', ...benchNetwork, '--listen', '/ip4/127.0.0.1/tcp/0', '--threads', '1', '--gpu', 'off', ...args],
    { home },
  );
  let lastWords = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    lastWords = (lastWords + text).slice(-1_000);
  });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  let ready: ServeEvent | null = null;
  const tested = new Promise<void>((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const event = JSON.parse(line) as ServeEvent;
      if (event.event === 'ready') ready = event;
      if (event.event === 'self-test') resolve();
    });
  });
  await Promise.race([
    tested,
    ended.then((code) => Promise.reject(new Error(`serve ended with exit code ${code}: ${lastWords.trim()}`))),
  ]);
  const { peer, addrs } = ready as unknown as ServeEvent;
  return {
    pid: child.pid ?? 0,
    peer,
    address: addrs[0] ?? '',
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** Resident memory of a process in MiB: all of it, and what is not a mapped file. Linux only. */
export async function residentMemory(pid: number): Promise<{ readonly all: number; readonly anonymous: number }> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const mebibytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? Number.NaN) / 1024;
  return { all: mebibytes('VmRSS'), anonymous: mebibytes('RssAnon') };
}

/** CPU milliseconds of a process so far, all its threads. Linux only. */
export async function cpuMsOf(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // Fields 14 and 15 of the whole line, in ticks of 10 ms.
  return (Number(fields[11]) + Number(fields[12])) * 10;
}
