import { QvacError } from '../../../../errors.ts';
import type { Clock } from '../../../../lib/clock.ts';
import { shortPeer } from '../../../../lib/names.ts';
import type { ModelId } from '../../../../lib/types.ts';
import { FaultError } from '../../../../proofs/fault.ts';
import { createReceived, type Received } from '../../../../proofs/received.ts';
import { verifyBody } from '../../../../proofs/signing.ts';
import { MalformedError } from '../../../../protocol/codec.ts';
import { jobIdHex, modelIdHex } from '../../../../protocol/digests.ts';
import type { FrameOf } from '../../../../protocol/frames.ts';
import { ackStop, finish, kinds, modes, type Signed } from '../../../../protocol/messages.ts';
import { decodeAck } from '../../../../protocol/validate.ts';
import { AnswerSoFar } from '../../../job/answer-so-far.ts';
import { costOf } from '../../../job/cost.ts';
import type { AnswerFrame } from '../../../job/job.ts';
import { Redrawn } from '../../../job/redrawn.ts';
import type { FrameStream } from '../../../streams/streams.ts';
import { checkPicked, type Picked, type RouteQuestion, routerFault } from './picked.ts';
import type { RoutedPart, RouteNews } from './route.ts';

export interface RouterAnswerInit {
  readonly asked: RouteQuestion;
  readonly router: FrameStream['remote'];
  readonly network: string;
  readonly clock: Clock;
}

/** The answer that arrives through a router, provider after provider: checks each frame, and records it. */
export class RouterAnswer {
  readonly soFar: AnswerSoFar;
  readonly #init: RouterAnswerInit;
  #picked: Picked | null = null;
  #received: Received | null = null;
  #redrawn: Redrawn | null = null;
  /** The model that the first provider to show a token serves: the others must serve it, too. */
  #modelId: ModelId | null = null;
  /** What the providers that broke off cost. */
  #spentLamports = 0n;

  constructor(init: RouterAnswerInit) {
    this.#init = init;
    const { input, sampler } = init.asked;
    this.soFar = new AnswerSoFar(input.continuation, sampler.extra);
  }

  /** The provider whose answer this is; null before the first. */
  get picked(): Picked | null {
    return this.#picked;
  }

  /** What this provider has sent so far. @throws Error before the first `picked` */
  get received(): Received {
    if (this.#received === null) throw new Error('the router has not picked a provider yet');
    return this.#received;
  }

  /** Whether the final head has arrived. Behind one of a provider that broke off, the answer may go on. */
  get isComplete(): boolean {
    const final = this.#received?.final ?? null;
    return final !== null && final.finish !== finish.brokenOff;
  }

  /** @throws QvacError E_BAD_PEER if the choice breaks a rule of section 4.0 */
  takePicked(frame: FrameOf<'picked'>): RouteNews {
    const broken = this.#takeBroken();
    const { router, network, clock } = this.#init;
    const picked = checkPicked(frame, { asked: this.#asked, router, network, now: clock.now() });
    const { offer, offerSigned, quote, card, input, extra } = picked;
    const { continuation } = input;
    const { grammar } = this.#init.asked;
    const { exec } = card.card;
    const { previous, redrawn } = this.soFar;
    this.#picked = picked;
    this.#redrawn = new Redrawn(picked.provider, redrawn);
    this.#received = createReceived({ offer, offerSigned, quote, exec, input, continuation, extra, grammar, previous });
    return { t: 'picked', picked, broken };
  }

  /**
   * @param isStopped whether this client has stopped the answer
   * @returns the frame with the text that was not shown yet
   * @throws QvacError E_BAD_PEER, E_TRUNCATED; FaultError
   */
  add(frame: AnswerFrame, isStopped: boolean): AnswerFrame {
    if (frame.t === 'beat' || frame.t === 'progress') return frame;
    const received = this.#received;
    if (received === null) throw this.#fault('it sent an answer before it picked a provider');
    this.#wellFormed(() => {
      if (frame.t === 'accept') received.accept(frame);
      else if (frame.t === 'tokens') received.addTokens(frame);
      else if (frame.t === 'vectors') received.addVectors(frame);
      else received.addHead({ body: frame.body, sig: frame.sig });
    });
    if (received.final?.finish === finish.cancelled && !isStopped) {
      const name = shortPeer(this.#init.router.peer);
      throw new QvacError('E_TRUNCATED', `the answer through ${name} was cut short, but not by you`);
    }
    return frame.t === 'tokens' ? { ...frame, text: this.#redrawn?.take(frame) ?? frame.text } : frame;
  }

  /**
   * Takes the router's acknowledgement of what it passed on, with which it stopped the provider.
   * @param isStopped whether this client has stopped the answer
   * @throws QvacError E_BAD_PEER
   */
  takeStop({ body, sig }: FrameOf<'ack'>, isStopped: boolean): void {
    if (!isStopped || this.#received === null) throw this.#fault('it stopped an answer that you did not stop');
    const { jobId } = this.#received;
    if (!verifyBody(this.#init.router.publicKey, kinds.ack, jobId, { body, sig }))
      throw this.#fault('its acknowledgement does not carry its signature');
    const ack = this.#wellFormed(() => decodeAck(body), 'its acknowledgement is malformed');
    if (jobIdHex(ack.jobId) !== jobId || ack.stop !== ackStop.cancel)
      throw this.#fault('its acknowledgement does not stop this answer');
    this.#received.setAck({ body, sig });
  }

  /** @throws FaultError if it does not open this answer; QvacError E_BAD_PEER if none was requested */
  setOpening(signed: Signed, secret: Uint8Array): void {
    if (this.#init.asked.mode === modes.none) throw this.#fault('it sent an opening that was not requested');
    try {
      this.received.setOpening(signed, secret);
    } catch (error) {
      if (error instanceof MalformedError) throw new FaultError('bad-opening', error.message);
      throw error;
    }
  }

  /** What is left of the question for the next provider. */
  get #asked(): RouteQuestion {
    const { asked } = this.#init;
    const maxPrice = Math.max(0, asked.maxPrice - Number(this.#spentLamports));
    const model = this.#modelId ?? asked.model;
    return { ...asked, ...this.soFar.rest(asked.input, asked.sampler), model, maxPrice };
  }

  /** The provider that the router leaves, if it had shown a new token. */
  #takeBroken(): RoutedPart | null {
    const [picked, received] = [this.#picked, this.#received];
    if (picked === null || received === null) return null;
    if (!this.#wellFormed(() => this.soFar.add({ offer: picked.offer, received }))) return null;
    const { n, promptTokens } = received;
    this.#modelId = modelIdHex(picked.offer.modelId);
    this.#spentLamports += costOf(picked.offer, { promptCount: promptTokens.length, n, ackedTokens: n });
    return { picked, received };
  }

  /** Blames the router if `take` finds a frame malformed. @param why quoted instead of the error's own words */
  #wellFormed<Value>(take: () => Value, why?: string): Value {
    try {
      return take();
    } catch (error) {
      if (error instanceof MalformedError) throw this.#fault(why ?? error.message, error);
      throw error;
    }
  }

  #fault(why: string, cause?: unknown): QvacError {
    return routerFault(this.#init.router.peer, why, cause);
  }
}
