import { QvacError } from '../../../errors.ts';
import { equalBytes, toHex } from '../../../lib/bytes.ts';
import { consensusMembers } from '../../../protocol/constants.ts';
import type { Choice } from '../../selection/select.ts';
import { isRecomputed } from '../../verification/verification.ts';
import type { Answer, AskObserver, ConsensusMember } from '../answer.ts';
import { askProvider } from '../direct/ask-provider.ts';
import type { DirectInit, DirectOutcome } from '../direct/direct-init.ts';
import { PartedAnswer } from '../parted-answer.ts';
import { noOffer, type Question } from '../question.ts';
import { ConsensusTable } from './consensus-table.ts';

/** One member, and how its question ended. */
interface Member {
  readonly choice: Choice;
  readonly outcome: DirectOutcome;
}

/**
 * Asks several providers of different payees the same question with the same seed, and compares their answers
 * (`ConsensusTable`). One of those with which most agree is shown.
 * @throws QvacError E_NO_PROVIDER if there are too few, E_TOO_DEAR if all together may cost too much, or the first
 * member's error if none answers
 */
export async function askTogether(question: Question): Promise<Answer> {
  const { components, init, observer, refereePlan } = question;
  const { verifier, referees = null } = components;
  if (referees === null) throw new Error('answers can be compared only by a client with referees');
  const { soFar, totals } = new PartedAnswer(init.input, question.extra);
  const choices = await question.choose(question.criteria);
  const [best] = choices;
  if (best === undefined) throw noOffer();
  const { modelId } = best;
  const shared = {
    ...question.sharedDirectInit(),
    input: init.input,
    sampler: init.sampler,
    soFar,
    earlier: totals,
    seed: question.seed(),
    level: 'full',
  } as const;
  const refereeCount = await refereePlan.for({ model: modelId, level: 'full' }, null, 0n);
  verifier.prepare(modelId, 'full');
  // One file for all: another quantisation would be another answer.
  const members = membersOf(choices.filter((choice) => choice.modelId === modelId));
  const shareLamports = shareOf(members, init.maxPrice);
  const peers = members.map(({ card }) => card.peer);
  const table = new ConsensusTable(referees, peers, refereeCount);
  const asked = await Promise.all(
    members.map((choice) => {
      const maxPrice = Number(choice.priceLamports) + shareLamports;
      return askMember(question, table, { ...shared, choice, refereeCount: refereeCount ?? 1, maxPrice });
    }),
  );
  return shown(asked, table, observer);
}

async function askMember(question: Question, table: ConsensusTable, init: DirectInit): Promise<Member> {
  const { components, observer, options, selectionLog } = question;
  const { choice } = init;
  const { peer } = choice.card;
  const parts = { ...components, referees: table.panelOf(peer) };
  const observing = selectionLog.observing(quiet(observer), { provider: peer });
  try {
    return { choice, outcome: await askProvider(parts, init, observing, options) };
  } catch (error) {
    if (!(error instanceof QvacError)) throw error;
    return { choice, outcome: { answer: null, error, broken: null, lostLamports: 0n } };
  } finally {
    table.left(peer);
  }
}

/** The best ones of different payees: of one execution class if there are enough, since then tokens must be equal. */
function membersOf(choices: readonly Choice[]): readonly Choice[] {
  const payees = new Set<string>();
  const distinct = choices.filter(({ card: { card } }) => {
    const payee = toHex(card.pay?.payee ?? card.peer);
    return !payees.has(payee) && payees.add(payee);
  });
  for (const { card } of distinct) {
    const { execClass } = card.card;
    const same = distinct.filter((other) => isSame(other.card.card.execClass, execClass));
    if (same.length >= consensusMembers) return same.slice(0, consensusMembers);
  }
  if (distinct.length < consensusMembers)
    throw new QvacError(
      'E_NO_PROVIDER',
      `a consensus needs ${consensusMembers} providers of different payees, and ${distinct.length} can be asked`,
      { hint: 'list the offers: qvac peers; or ask one provider with --referees 1' },
    );
  return distinct.slice(0, consensusMembers);
}

function isSame(one: Uint8Array | null, other: Uint8Array | null): boolean {
  return one !== null && other !== null && equalBytes(one, other);
}

/** What each may spend beyond its own price, lamports. @throws QvacError E_TOO_DEAR */
function shareOf(members: readonly Choice[], maxPrice: number): number {
  const total = members.reduce((sum, { priceLamports }) => sum + priceLamports, 0n);
  if (total > BigInt(maxPrice))
    throw new QvacError(
      'E_TOO_DEAR',
      `${members.length} answers may cost more than ${maxPrice} lamports: up to ${total} lamports`,
      { hint: `allow it with --max-price ${total}, or with --yes`, details: { priceLamports: total.toString() } },
    );
  return Math.floor((maxPrice - Number(total)) / members.length);
}

/** One text is shown, once it is known which. */
function quiet({ sending, locking }: AskObserver): AskObserver {
  return {
    sending,
    ...(locking === undefined ? {} : { locking }),
    picked: () => undefined,
    text: () => undefined,
    turned: () => undefined,
    note: () => undefined,
    checking: () => undefined,
  };
}

async function shown(members: readonly Member[], table: ConsensusTable, observer: AskObserver): Promise<Answer> {
  const answered = members.flatMap(({ choice, outcome }) =>
    outcome.answer === null ? [] : [{ answer: outcome.answer, at: table.agreementOf(choice.card.peer) }],
  );
  const ranked = answered.toSorted(
    (a, b) => rankOf(b.answer) - rankOf(a.answer) || (b.at?.agreed ?? 0) - (a.at?.agreed ?? 0),
  );
  const [best] = ranked;
  if (best === undefined) {
    const failures = members.flatMap(({ outcome }) => (outcome.answer === null ? [outcome.error] : []));
    throw failures[0] ?? new Error('no member was asked');
  }
  const { answer } = best;
  await observer.text(answer.text);
  const isTrusted = answer.verification.result === 'pass' && !isRecomputed(answer.verification);
  return {
    ...answer,
    why: isTrusted ? null : answer.why,
    costLamports: answered.reduce((sum, each) => sum + each.answer.costLamports, 0n),
    consensus: {
      ...(best.at ?? textsLike(answer, answered)),
      members: members.map((member) => reportOf(member, table)),
    },
  };
}

/** Where this machine re-executed the answers itself, only their texts are compared. */
function textsLike(
  { text }: Answer,
  answered: readonly { readonly answer: Answer }[],
): { readonly agreed: number; readonly of: number } {
  return { agreed: answered.filter((each) => each.answer.text === text).length, of: answered.length };
}

/** What passes comes before what could not be decided, and that before what failed. */
function rankOf({ verification: { result } }: Answer): number {
  return result === 'pass' ? 2 : result === 'inconclusive' ? 1 : 0;
}

function reportOf({ choice, outcome }: Member, table: ConsensusTable): ConsensusMember {
  const { peer } = choice.card;
  const agreed = table.agreementOf(peer)?.agreed ?? null;
  return outcome.answer === null
    ? { peer, receipt: null, agreed, faults: [], why: outcome.error.message }
    : { peer, receipt: outcome.answer.receipt, agreed, faults: outcome.answer.verification.faults, why: null };
}
