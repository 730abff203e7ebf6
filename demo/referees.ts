import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { NodeReady, Started } from './processes.ts';

/** What the third act needs of the demo's market. */
export interface RefereeAct {
  /** A folder of this demo, in which the homes of the act are made. */
  readonly folder: string;
  /** Starts an honest provider that is free, in this home. */
  startProvider(home: string): Promise<Started<NodeReady>>;
  /** Starts the provider that secretly runs a worse model, free as well, in this home. */
  startCheat(home: string): Promise<Started<NodeReady>>;
  /** Runs `qvac ask` in this home on the person's terminal. @returns its exit code */
  ask(home: string, args: readonly string[]): Promise<number>;
  say(text: string): void;
  heading(text: string): void;
  /** Folders to remove at the end. */
  readonly leftovers: string[];
}

/** Beside the provider that is asked, so many that two can agree against a third. */
const honestReferees = 3;

/**
 * The third act: a client that has no model file gets an answer that another provider recomputed, and of a cheat among
 * honest providers it learns who cheats.
 * @throws Error if the honest answer was not verified, or the cheat not caught
 */
export async function refereeRound(act: RefereeAct, question: string): Promise<void> {
  const { say, heading, leftovers, folder } = act;
  heading('a client that does not hold the model');
  say(`starting ${honestReferees + 1} providers that charge nothing …`);
  const homeOf = async (name: string): Promise<string> => {
    const home = await mkdtemp(join(folder, `${name}-`));
    leftovers.push(home);
    return home;
  };
  const homes = await Promise.all(Array.from({ length: honestReferees }, () => homeOf('provider')));
  const [honest, cheat] = await Promise.all([
    Promise.all(homes.map((home) => act.startProvider(home))),
    homeOf('cheat').then((home) => act.startCheat(home)),
  ]);
  const client = await homeOf('client');
  try {
    const known = [...honest, cheat].flatMap(({ addrs }) => ['--bootstrap', addrs[0] ?? '']);
    const askOf = async ({ addrs }: NodeReady): Promise<number> => {
      say(`$ qvac ask --provider ${(addrs[0] ?? '').slice(-52, -44)}… --referees 1 ${JSON.stringify(question)}\n`);
      return act.ask(client, [...known, '--provider', addrs[0] ?? '', '--verify', 'full', '--referees', '1', question]);
    };
    const [first] = honest;
    if (first === undefined) throw new Error('no honest provider was started');
    const verified = await askOf(first);
    if (verified !== 0) throw new Error(`no referee verified the honest answer: exit code ${verified}`);
    say('');
    const caught = await askOf(cheat);
    if (caught !== 6) throw new Error(`the referees did not name the cheat: exit code ${caught}`);
  } finally {
    await Promise.all([...honest, cheat].map((provider) => provider.stop()));
    await rm(client, { recursive: true, force: true });
  }
}
