import { encodeFrame } from '../../src/protocol/frame-codec.ts';
import type { Frame } from '../../src/protocol/frames.ts';
import { createScriptedEngine, type ScriptedInit } from '../../test/support/scripted-engine.ts';
import { type Figure, median, type Scenario } from '../report.ts';
import { benchInput, benchSampler, openBenchJob, startClient, startProvider } from '../support/nodes.ts';

const maxTokens = 512;
const perFrame = 16;

/** Lets the script of an answer go on in steps of 16 tokens: each time when the client has all that came before. */
function createGate() {
  let received = 0;
  let wake: () => void = () => undefined;
  return {
    received(n: number): void {
      received = n;
      wake();
    },
    async beforeStep(i: number): Promise<void> {
      while (i % perFrame === 0 && received < i) await new Promise<void>((resolve) => (wake = resolve));
    },
  };
}

interface Traffic {
  /** Bytes by frame type, both ways. */
  readonly bytes: Readonly<Record<string, number>>;
  readonly tokens: number;
  readonly tokenIdBytes: number;
  readonly text: number;
  readonly perFrame: readonly number[];
}

/** One whole job; every frame is counted with its length prefix. */
async function runJob(mode: 'none' | 'merkle', script: ScriptedInit = {}): Promise<Traffic> {
  const gate = createGate();
  const provider = await startProvider(createScriptedEngine({ ...script, beforeStep: (i) => gate.beforeStep(i) }));
  const client = await startClient();
  try {
    const { job, secret } = await openBenchJob(client, provider, { mode, sampler: { ...benchSampler, maxTokens } });
    const bytes: Record<string, number> = {};
    const count = (frame: Frame): void => void (bytes[frame.t] = (bytes[frame.t] ?? 0) + encodeFrame(frame).length);
    count({ t: 'offer', ...job.offerSigned, input: benchInput });
    const sizes: number[] = [];
    for await (const frame of job.frames()) {
      count(frame);
      if (frame.t === 'tokens') sizes.push(frame.tokens.length);
      gate.received(job.received.n);
    }
    if (mode === 'merkle') count({ t: 'opening', ...(await job.challenge(secret)) });
    await job.close();
    const { n, text, tokens } = job.received;
    return {
      bytes,
      tokens: n,
      tokenIdBytes: tokens.reduce((sum, id) => sum + cborBytes(id), 0),
      text: Buffer.byteLength(text),
      perFrame: sizes,
    };
  } finally {
    await client.stop();
    await provider.stop();
  }
}

/** Bytes of a whole number in CBOR. */
function cborBytes(value: number): number {
  return value < 24 ? 1 : value < 256 ? 2 : value < 65_536 ? 3 : 5;
}

export const scenario: Scenario = async () => {
  const plain = await runJob('none');
  const audited = await runJob('merkle');
  const sum = (bytes: Traffic['bytes']): number => Object.values(bytes).reduce((total, size) => total + size, 0);
  const perToken = (sum(plain.bytes) - plain.text) / plain.tokens;
  const opening: Figure = {
    name: 'an opened step, as sent',
    value: (audited.bytes.opening ?? 0) / 16,
    unit: 'bytes',
    goal: { atMost: 700 },
    details: { steps: 16, answerTokens: audited.tokens, openingBytes: audited.bytes.opening ?? 0 },
  };
  return [
    {
      name: 'frames beyond the text, per token',
      value: perToken,
      unit: 'bytes',
      goal: { atMost: 16 },
      details: {
        tokens: plain.tokens,
        tokensPerFrameP50: median(plain.perFrame),
        ...Object.fromEntries(Object.entries(plain.bytes).map(([type, size]) => [`${type}Bytes`, size])),
        textBytes: plain.text,
        // What a vocabulary above 256 or above 65,536 adds, where every id needs so many bytes.
        withIdsOf3Bytes: perToken + 3 - plain.tokenIdBytes / plain.tokens,
        withIdsOf5Bytes: perToken + 5 - plain.tokenIdBytes / plain.tokens,
      },
    },
    opening,
  ];
};
