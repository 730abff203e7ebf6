import { exitCodes, QvacError } from '../../errors.ts';
import type { Answer, AskObserver } from '../../node/client/answer.ts';
import type { ChannelNews } from '../../node/payment/channel/channels.ts';
import type { Settlement } from '../../node/payment/payments.ts';
import type { RefereeCount, RefereeEstimate } from '../../node/referees/reports.ts';
import { maxReferees } from '../../protocol/constants.ts';
import { channelLine } from '../../terminal/channel-words.ts';
import { plural, shortPeer, sol } from '../../terminal/format.ts';
import type { Output } from '../../terminal/output.ts';
import { printable, printableName } from '../../terminal/printable.ts';
import { startProgress } from '../../terminal/progress.ts';
import { trustLines } from '../../terminal/trust-line.ts';

/** Reports the progress of a question on stderr and streams the answer to stdout. */
export function observe(output: Output): AskObserver & { end(): void } {
  const progress = startProgress(output);
  let slow: NodeJS.Timeout | undefined;
  /** Shows what is going on if it takes longer than a second. */
  const working = (what: string): void => {
    clearTimeout(slow);
    slow = setTimeout(() => progress.step(what), 1_000);
  };
  const endProgress = (): void => {
    clearTimeout(slow);
    progress.end();
  };
  let isBegun = false;
  const later: string[] = [];
  /** Lines in the middle of an answer wait for its end: it reads as one, whoever wrote it. */
  const say = (line: string): void => {
    if (isBegun) later.push(line);
    else output.say(line);
  };
  const end = (): void => {
    endProgress();
    isBegun = false;
    for (const line of later.splice(0)) output.say(line);
  };
  return {
    sending({ kind, peer, model, priceLamports }) {
      const price = priceLamports === null ? '' : priceLamports === 0n ? ' · free' : ` · at most ${sol(priceLamports)}`;
      say(printable(`→ ${kind} ${peer} · ${printableName(model)}${price} · sees your prompt`));
      working('waiting for the first token');
    },
    picked(provider, model, price = 0n) {
      const limit = price === 0n ? '' : ` · at most ${sol(price)}`;
      const name = printableName(`${model.name} ${model.quant}`);
      say(`· the router chose ${shortPeer(provider)} · ${name}${limit}`);
    },
    prompted: (done, total) => progress.step(`reading the prompt: ${done} of ${total} tokens`),
    async text(piece) {
      if (piece !== '') endProgress();
      isBegun ||= piece !== '';
      if (!output.json) await output.answer(piece);
    },
    brokeOff: (provider, tokens, reason) =>
      say(printable(`· ${shortPeer(provider)} broke off after ${tokens} tokens (${reason}); another provider goes on`)),
    turned: (from, reason) => say(printable(`· ${shortPeer(from)} did not answer (${reason}); asking another`)),
    note: (line) => say(printable(`· ${line}`)),
    locking: (lamports) => working(`locking ${sol(lamports)}`),
    checking: (level) => working(level === 'full' ? 'checking: running the model again' : 'checking'),
    toReferees: (count, estimate, isByChance) => output.say(refereeLine(count, estimate, isByChance)),
    refereeing: (count) => working(`checking: asking ${plural(count, 'referee')}`),
    end,
  };
}

/** Who else sees the prompt, how many at most, and at what price. */
function refereeLine(count: RefereeCount, { candidates, priceLamports }: RefereeEstimate, isByChance: boolean): string {
  if (candidates === 0) return '· no other provider that could score this answer is known yet';
  const price = priceLamports === 0n ? '' : ` · at most ${sol(priceLamports)}`;
  const sees =
    count === 1 ? `sees prompt and answer · ${maxReferees} of them if it disagrees` : 'see prompt and answer';
  const chance = isByChance ? ', if the answer is audited' : '';
  const who =
    candidates < count
      ? `${plural(candidates, 'referee')} of ${count}, all that are known`
      : `${plural(count, 'referee')}, drawn from ${plural(candidates, 'provider')}`;
  return `→ ${who}${chance}${price} · ${sees}`;
}

/** Tells the person about a change of a channel, in one line. */
export function sayChannel(output: Output, news: ChannelNews): void {
  const line = channelLine(news);
  if (line !== null) output.say(`· ${line}`);
}

/** Prints the facts of the answer, the trust line last. @returns the exit code */
export async function report(output: Output, answer: Answer, explicitFull: boolean): Promise<number> {
  const { verification, timing, storeError, payment, receipt, tooLate } = answer;
  if (!output.json) output.endAnswer();
  const { settlementJson } = await import('../../node/payment/outcome.ts');
  // Only a paid answer has the payment fields.
  output.result(
    { ...jsonOf(answer, settlementJson), ...(payment === null ? {} : { payment: settlementJson(payment), tooLate }) },
    [],
  );
  if (storeError !== null) output.warn(`cannot store the receipt: ${storeError.message}`);
  const facts = { ...answer, tokensPerSecond: timing.tokensPerSecond, cost: answer.costLamports };
  const lines = trustLines(facts, (style, text) => output.style(style, text));
  if (tooLate && verification.result !== 'fail' && receipt !== null)
    output.warn(`check the answer now with: qvac verify ${receipt.slice(0, 8)}`);
  const recomputed = verification.tier === 'exact' || verification.tier === 'statistical';
  if (explicitFull && !recomputed && verification.result !== 'fail' && receipt !== null && !tooLate)
    output.warn(
      `the full check could not be made; with the model file: qvac verify ${receipt.slice(0, 8)} --model FILE; ` +
        'or let other providers check answers: --referees 1',
    );
  for (const line of lines) (verification.result === 'pass' ? output.say : output.warn)(line);
  if (verification.result === 'fail') return exitCodes.verification;
  if (explicitFull && (!recomputed || verification.result !== 'pass')) return exitCodes.verification;
  return storeExitCode(storeError);
}

/** The exit code of a good answer whose receipt could not be stored; null: it was. */
export function storeExitCode(storeError: Error | null): number {
  return storeError instanceof QvacError ? storeError.exitCode : storeError === null ? exitCodes.ok : exitCodes.bug;
}

/** The JSON of every answer (docs/json.md). */
function jsonOf(
  {
    text,
    finish,
    tokens,
    provider,
    router,
    model,
    earlier,
    verification,
    atFault,
    audit,
    consensus,
    referees,
    receipt,
    timing,
    costLamports,
  }: Answer,
  settlementJson: (settlement: Settlement) => unknown,
) {
  return {
    answer: text,
    finish,
    tokens,
    provider,
    router,
    model,
    earlier: earlier.map((part) => ({
      provider: part.provider,
      tokens: part.tokens,
      receipt: part.receipt,
      verification: part.verification && verificationJson(part.verification),
      cost: part.costLamports,
      payment: part.payment && settlementJson(part.payment),
    })),
    verification: verificationJson(verification),
    atFault,
    audit,
    consensus,
    referees: referees.map(({ costLamports: cost, ...report }) => ({ ...report, cost })),
    receipt,
    timing,
    cost: costLamports,
  };
}

/** What the checks found (docs/json.md). */
export function verificationJson(verification: Answer['verification']) {
  const { result, tier, count, meanTv, maxTv, rmsDq, meanMiss, faults, referees } = verification;
  return { result, tier, count, meanTv, maxTv, rmsDq, meanMiss, faults, referees };
}
