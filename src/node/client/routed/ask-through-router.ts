import { type ErrorCode, QvacError } from '../../../errors.ts';
import { maxAnswerParts } from '../../../protocol/constants.ts';
import { modelIdHex } from '../../../protocol/digests.ts';
import type { CardModel } from '../../../protocol/messages.ts';
import type { LivePeer } from '../../discovery/discovery.ts';
import { modelsNamed } from '../../discovery/query.ts';
import { RemoteError } from '../../job/remote-error.ts';
import { pricedRefusal } from '../../selection/too-dear.ts';
import type { Answer } from '../answer.ts';
import { askInTurn } from '../direct/ask-in-turn.ts';
import type { FinishedAnswer } from '../finish.ts';
import type { PartedAnswer } from '../parted-answer.ts';
import { noOffer, type Question } from '../question.ts';
import { askRouter } from './ask-router.ts';
import type { RoutedInit } from './routed-init.ts';

/** What the router is asked for, and how the answer will be checked. */
interface Plan extends Pick<RoutedInit, 'model' | 'label' | 'level' | 'by' | 'refereeCount'> {
  /** The models of that name that the router can re-execute. */
  readonly listed: readonly CardModel[];
}

/**
 * Asks a router. If it is lost before the answer is complete, the question goes on without it, unless the person named
 * it.
 * @returns the part of the last provider, which `parted` completes
 * @throws QvacError as `askRouter`, or as `askInTurn` once the router is lost
 */
export async function askThroughRouter(
  question: Question,
  router: LivePeer,
  parted: PartedAnswer,
): Promise<Answer | FinishedAnswer> {
  try {
    return await askAtBestLevel(question, router, parted);
  } catch (error) {
    const isOptional = question.init.router?.optional === true;
    if (!isOptional || question.isOver || !isLost(error) || parted.count >= maxAnswerParts) throw error;
    const { observer } = question;
    if (parted.last === null) observer.note(`your router was lost (${error.message}); asking without it`);
    else observer.brokeOff?.(router.peer, parted.soFar.shownCount, error.message);
    return askInTurn(question, parted);
  }
}

/** Asks with a re-execution where one is planned; if no provider serves what the router can re-execute, without. */
async function askAtBestLevel(
  question: Question,
  router: LivePeer,
  parted: PartedAnswer,
): Promise<Answer | FinishedAnswer> {
  const { components, init, options } = question;
  const plan = await planFor(question, router);
  const routed = routedInit(question, router, parted, plan);
  const observer = question.selectionLog.observing(question.observer, { router: router.peer });
  try {
    return await askRouter(components, { ...routed, timeoutMs: question.timeLeftMs }, observer, options);
  } catch (error) {
    if (!(error instanceof QvacError)) throw error;
    const byRouter = plan.level === 'full' && plan.by === 'router';
    if (error.code === 'E_TOO_DEAR') throw await priced(question, error, plan.label, byRouter ? plan.listed : null);
    if (error.code !== 'E_NO_MODEL' || init.verify !== null || !byRouter) throw error;
    question.observer.note('the router cannot re-execute what is offered; checking by sampling');
    const sampled: RoutedInit = { ...routed, level: 'sampling', timeoutMs: question.timeLeftMs };
    return askRouter(components, sampled, observer, options);
  }
}

/**
 * The router re-executes if it can; the person's own model file is used only if the router has none, and referees are
 * asked only if neither has it.
 */
async function planFor(question: Question, { card }: LivePeer): Promise<Plan> {
  const { verify, referees = null } = question.init;
  const { model, label, held } = await modelFor(question);
  const listed = modelsNamed(card, model);
  const level = verify ?? (listed.length > 0 || held || referees !== null ? 'full' : 'sampling');
  const refereeCount = listed.length > 0 ? null : await question.refereePlan.for({ model, level }, null, 0n);
  const by = listed.length > 0 ? 'router' : held ? 'here' : refereeCount !== null ? 'referees' : 'router';
  return { model, label, level, by, refereeCount, listed };
}

/** A router needs a model: without a requested one, that of the best live offer. */
async function modelFor(
  question: Question,
): Promise<{ readonly model: string; readonly label: string; readonly held: boolean }> {
  const { verifier } = question.components;
  const { model } = question.init;
  if (model !== null) return { model, label: model, held: await verifier.holds(model) };
  const [best] = await question.choose(question.criteria);
  if (best === undefined) throw noOffer();
  const { name, quant } = best.model;
  return { model: best.modelId, label: `${name} ${quant}`, held: await verifier.holds(best.modelId) };
}

function routedInit(
  question: Question,
  router: LivePeer,
  parted: PartedAnswer,
  { model, label, level, by, refereeCount }: Plan,
): Omit<RoutedInit, 'timeoutMs'> {
  const { input, sampler, maxPrice, thorough = false, timeoutMs: allowedMs } = question.init;
  const { extra, count, stopwatch, auditRate } = question;
  return {
    router: router.peer,
    input,
    model,
    label,
    sampler,
    extra,
    count,
    seed: question.seed(),
    level,
    by,
    refereeCount,
    auditRate,
    maxPrice,
    allowedMs,
    stopwatch,
    parted,
    thorough,
  };
}

/** @param only the models that the router can re-execute, if it has to; null: any */
function priced(
  question: Question,
  error: QvacError,
  label: string,
  only: readonly CardModel[] | null,
): Promise<QvacError> {
  const { criteria, chooseComponents, options } = question;
  const ids = only === null ? null : new Set(only.map(({ id }) => modelIdHex(id)));
  return pricedRefusal(chooseComponents, { ...criteria, only: ids }, label, error, options);
}

/** Failures of a router that say nothing about the question. */
function isLost(error: unknown): error is QvacError {
  if (error instanceof RemoteError) return error.remote === 'failed' || error.remote === 'internal';
  return error instanceof QvacError && lostCodes.has(error.code);
}

const lostCodes: ReadonlySet<ErrorCode> = new Set(['E_TRUNCATED', 'E_TIMEOUT', 'E_NETWORK']);
