import type { Engine, EngineSession } from '../../src/model/engine.ts';
import type { Input } from '../../src/protocol/messages.ts';
import type { TestModelKind } from '../../test/support/models.ts';
import { type Figure, median, type Scenario, spread } from '../report.ts';
import { cpuMs } from '../support/cpu.ts';
import { withEngines } from '../support/engines.ts';
import { benchInput } from '../support/nodes.ts';
import { questions } from '../support/questions.ts';

const topK = 20;
/** Of the first turn, one a round: the blocks that are reused end at other places in each. */
const firstTurnTokens: readonly number[] = [870, 900, 930, 960];
const answerTokens = 60;
const nextQuestion = 'Say more about the second of these, please, in two sentences.';
const copyTokens = 120;
const copyRounds = 2;

function promptOf({ tokenizer }: Engine, messages: Input['messages']): readonly number[] {
  return tokenizer.encodePrompt({ ...benchInput, messages }).tokens;
}

/** A question of about `count` tokens. */
function questionOf(engine: Engine, count: number): string {
  const words = questions.join(' ').match(/(\S+ ){1,4}/g) ?? [];
  let text = '';
  for (let at = 0; promptOf(engine, [{ role: 'user', content: text }]).length < count; at++)
    text += words[at % words.length] ?? 'and ';
  return text;
}

/** Greedy steps behind a prefill. */
async function decode(session: EngineSession, first: number, count: number): Promise<readonly number[]> {
  const tokens = [first];
  while (tokens.length < count) tokens.push((await session.decode(tokens.at(-1) ?? 0, topK)).ids[0] ?? 0);
  return tokens;
}

async function prefill(engine: Engine, prompt: readonly number[], owner?: string) {
  const session = await engine.open({ owner });
  try {
    const { ms, value } = await cpuMs(() => session.prefill(prompt, topK));
    return { ms, bits: Buffer.from(value.logits.buffer).toString('hex'), reused: session.savings?.reused ?? 0 };
  } finally {
    await session.release();
  }
}

/** The prompt of a second turn, with what the first left, against the same prompt from its first token. */
async function measureFollowUp(engine: Engine, kind: TestModelKind): Promise<Figure> {
  const [ratios, kept, fresh, sizes]: [number[], number[], number[], number[]] = [[], [], [], []];
  let areEqual = true;
  for (const [round, count] of firstTurnTokens.entries()) {
    const owner = `client ${round}`;
    const content = questionOf(engine, count);
    const session = await engine.open({ owner });
    const first = await session.prefill(promptOf(engine, [{ role: 'user', content }]), topK);
    const answer = engine.tokenizer.decode(await decode(session, first.ids[0] ?? 0, answerTokens));
    await session.release();
    const prompt = promptOf(engine, [
      { role: 'user', content },
      { role: 'assistant', content: answer },
      { role: 'user', content: nextQuestion },
    ]);
    const before = await prefill(engine, prompt);
    const after = await prefill(engine, prompt, owner);
    areEqual &&= before.bits === after.bits;
    ratios.push(after.ms / before.ms);
    kept.push(after.reused);
    fresh.push(before.ms);
    sizes.push(prompt.length);
  }
  return {
    name: `follow-up at 1,000 tokens, prompt CPU ÷ from the first token, ${kind}`,
    value: median(ratios),
    unit: '',
    goal: { atMost: 0.15 },
    details: {
      areEqual,
      promptTokens: median(sizes),
      reusedTokens: median(kept),
      ...spread('ratio', ratios),
      ...spread('wholePromptCpuMs', fresh),
    },
  };
}

/** An answer at temperature 0, with and without guesses. */
async function measureLookup(engine: Engine, kind: TestModelKind, name: string, content: string): Promise<Figure> {
  const prompt = promptOf(engine, [{ role: 'user', content }]);
  const run = async (guesses: boolean) => {
    const session = await engine.open();
    const first = await session.prefill(prompt, topK, { guesses });
    const { ms, value } = await cpuMs(() => decode(session, first.ids[0] ?? 0, copyTokens));
    await session.release();
    return { ms, tokens: value.join(), savings: session.savings };
  };
  const ratios: number[] = [];
  let areEqual = true;
  let savings: EngineSession['savings'];
  for (let round = 0; round < copyRounds; round++) {
    const without = await run(false);
    const guessing = await run(true);
    ({ savings } = guessing);
    areEqual &&= without.tokens === guessing.tokens;
    ratios.push(without.ms / guessing.ms);
  }
  return {
    name: `tokens per CPU second at temperature 0 with guesses ÷ without, ${name}, ${kind}`,
    value: median(ratios),
    unit: '×',
    goal: { atLeast: 0.9 },
    details: {
      areEqual,
      tokens: copyTokens,
      guessed: savings?.guessed ?? 0,
      accepted: savings?.accepted ?? 0,
      ...spread('ratio', ratios),
    },
  };
}

const text =
  'The harbour lay quiet under a low sky while the fishermen mended their nets and spoke of the winter that was coming, and of the boats that had not returned. ';

export const scenario: Scenario = () =>
  withEngines(async (open) => {
    const figures: Figure[] = [];
    for (const kind of ['q8_0', 'q4_1'] as const) {
      const keeping = await open(kind, { keepPrompts: firstTurnTokens.length });
      await keeping.runSelfTest();
      figures.push(
        await measureFollowUp(keeping, kind),
        await measureLookup(keeping, kind, 'copying', `Repeat this text three times, word for word: ${text.repeat(2)}`),
        await measureLookup(keeping, kind, 'free text', 'Write a short story about a lighthouse keeper.'),
      );
    }
    return figures;
  });
