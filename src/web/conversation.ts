import type { VerificationStatus } from './labels.ts';

/** The facts in the line under an answer. */
export interface Trust {
  readonly tokens: number;
  readonly tokensPerSecond: number | null;
  readonly provider: string;
  /** The providers that broke off before it, with the tokens that each wrote; known with the receipt. */
  readonly earlier?: readonly { readonly provider: string; readonly tokens: number }[];
  /** The router in between, or null. */
  readonly router?: string | null;
  readonly model: string;
  /** Lamports as decimal text. */
  readonly cost: string;
  /** What paid a cost, known with the receipt. */
  readonly paidBy?: 'job' | 'channel' | undefined;
  readonly verified: VerificationStatus;
  /** How many other providers the verdict rests on, known with the receipt. */
  readonly referees?: number | undefined;
  readonly receipt: string;
}

export interface Turn {
  readonly id: string;
  readonly role: 'user' | 'assistant';
  /** When it was added, unix ms; turns are in this order. */
  readonly at: number;
  content: string;
  /** What the model thought before its answer. */
  reasoning?: string;
  trust?: Trust;
  /** How much of the prompt is computed, 0 … 1, until the first text. */
  promptShare?: number;
  /** The provider, shown until `trust` is known. */
  by?: { readonly provider: string; readonly model: string };
  /** Why the answer is incomplete: a code and the gateway's message. */
  error?: { readonly code: string; readonly message: string };
  /** A tab of this browser is receiving the answer and renews this time, unix ms. */
  busyUntil?: number;
}

export interface Conversation {
  readonly id: string;
  title: string;
  at: number;
  turns: Turn[];
  /** Ids of turns that were removed, so that another tab's copy does not bring them back. */
  removed: string[];
}

/** How long a tab's claim to an answer lasts without renewal, ms. */
export const claimMs = 6_000;

/** Whether some tab says that it is receiving this answer. */
export function isBusyElsewhere({ busyUntil = 0, trust, error }: Turn): boolean {
  return trust === undefined && error === undefined && busyUntil > Date.now();
}

/** How many removed turns a conversation remembers. */
const maxRemoved = 200;

/** Removes a turn for every tab. */
export function removeTurn(conversation: Conversation, { id }: Turn): void {
  conversation.turns = conversation.turns.filter((turn) => turn.id !== id);
  conversation.removed = [...conversation.removed, id].slice(-maxRemoved);
}

/**
 * Takes in what another tab's copy of the same conversation knows: turns of either copy stay, unless one of them
 * removed them. Turn objects of `conversation` stay the same objects.
 * @returns whether `conversation` changed
 */
export function absorb(conversation: Conversation, other: Conversation): boolean {
  const before = JSON.stringify(conversation);
  const removed = new Set([...conversation.removed, ...other.removed]);
  const turns = new Map(conversation.turns.map((turn) => [turn.id, turn]));
  for (const theirs of other.turns) {
    const ours = turns.get(theirs.id);
    if (ours === undefined) turns.set(theirs.id, { ...theirs });
    else if (isFurther(theirs, ours)) update(ours, theirs);
  }
  conversation.turns = [...turns.values()].filter(({ id }) => !removed.has(id)).sort(inOrder);
  conversation.removed = [...removed].slice(-maxRemoved);
  if (conversation.title === '') conversation.title = other.title;
  conversation.at = Math.max(conversation.at, other.at);
  return JSON.stringify(conversation) !== before;
}

function update(ours: Turn, theirs: Turn): void {
  for (const key of ['trust', 'by', 'error', 'busyUntil'] as const) delete ours[key];
  Object.assign(ours, theirs);
}

/** Whether `a` is the later copy of a turn: by its end, its verdict, its length, then the tab that works on it. */
function isFurther(a: Turn, b: Turn): boolean {
  const [first, second] = [stageOf(a), stageOf(b)];
  const at = first.findIndex((value, index) => value !== second[index]);
  return at >= 0 && (first[at] ?? 0) > (second[at] ?? 0);
}

function stageOf({ content, trust, error, busyUntil = 0 }: Turn): readonly number[] {
  const over = trust === undefined && error === undefined ? 0 : 1;
  const verified = trust === undefined || trust.verified === 'pending' ? 0 : 1;
  return [over, verified, content.length, busyUntil];
}

function inOrder(a: Turn, b: Turn): number {
  return a.at - b.at || (a.id < b.id ? -1 : 1);
}

let lastAt = 0;

/** The time for a new turn, later than that of every turn before it in this tab. */
export function nextTime(now: number): number {
  lastAt = Math.max(now, lastAt + 1);
  return lastAt;
}
