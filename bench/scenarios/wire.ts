import type { Engine } from '../../src/model/engine.ts';
import { encodeFrame } from '../../src/protocol/frame-codec.ts';
import type { Frame } from '../../src/protocol/frames.ts';
import { type Mode, modes } from '../../src/protocol/messages.ts';
import { createScriptedEngine } from '../../test/support/scripted-engine.ts';
import type { Figure, Scenario } from '../report.ts';
import { benchSampler, openBenchJob, startClient, startProvider } from '../support/nodes.ts';
import { type PaidNodes, withPaidNodes } from '../support/paid-nodes.ts';
import { tapped } from '../support/wiretap.ts';

const maxTokens = 512;
const perFrame = 16;
const seed = new Uint8Array(32);

interface Traffic {
  /** Bytes of both directions by frame type. */
  readonly bytes: Readonly<Record<string, number>>;
  readonly acks: number;
  readonly tokens: number;
  readonly tokenIdBytes: number;
  readonly text: number;
}

type Nodes = Pick<PaidNodes, 'client' | 'openJob'>;
type WithNodes = (engine: Engine, work: (nodes: Nodes) => Promise<Traffic>) => Promise<Traffic>;

const free: WithNodes = async (engine, work) => {
  const provider = await startProvider(engine);
  const client = await startClient();
  try {
    return await work({ client, openJob: (change, peer = client) => openBenchJob(peer, provider, change) });
  } finally {
    await client.stop();
    await provider.stop();
  }
};

/**
 * One whole job; every frame counts with its length prefix. How many tokens share a frame depends on the provider's
 * clock, so the answer counts in frames of 16 tokens, whatever frames it came in.
 */
async function runJob(withNodes: WithNodes, mode: Mode): Promise<Traffic> {
  return withNodes(createScriptedEngine(), async ({ client, openJob }) => {
    const bytes: Record<string, number> = {};
    let acks = 0;
    const add = (frame: Frame): void => {
      bytes[frame.t] = (bytes[frame.t] ?? 0) + encodeFrame(frame).length;
    };
    const count = (frame: Frame): true => {
      if (frame.t !== 'tokens') add(frame);
      if (frame.t === 'ack') acks++;
      return true;
    };
    const peer = tapped(client, { sending: count, received: count });
    const { job, secret } = await openJob({ mode, seed, sampler: { ...benchSampler, maxTokens } }, peer);
    for await (const frame of job.frames()) void frame;
    if (mode === modes.merkle) await job.challenge(secret);
    await job.close();
    const { n, text, tokens } = job.received;
    for (const frame of framesOf(tokens, text)) add(frame);
    const tokenIdBytes = tokens.reduce((sum, id) => sum + cborBytes(id), 0);
    return { bytes, acks, tokens: n, tokenIdBytes, text: Buffer.byteLength(text) };
  });
}

/** An answer in frames as a provider sends them: the first token alone, then up to every 16th. */
function framesOf(tokens: readonly number[], text: string): Frame[] {
  const frames: Frame[] = [];
  // Which token completes which character does not change the size.
  const textAt = (i: number): number => Math.floor((i * text.length) / tokens.length);
  for (let i = 0, end = 1; i < tokens.length; i = end, end = i - (i % perFrame) + perFrame)
    frames.push({ t: 'tokens', i, tokens: tokens.slice(i, end), text: text.slice(textAt(i), textAt(end)) });
  return frames;
}

/** Bytes of a whole number in CBOR. */
function cborBytes(value: number): number {
  return value < 24 ? 1 : value < 256 ? 2 : value < 65_536 ? 3 : 5;
}

const total = ({ bytes }: Traffic): number => Object.values(bytes).reduce((sum, size) => sum + size, 0);
const beyondText = (traffic: Traffic): number => (total(traffic) - traffic.text) / traffic.tokens;

function framesFigure(name: string, traffic: Traffic, goal: Figure['goal']): Figure {
  const perToken = beyondText(traffic);
  return {
    name,
    value: perToken,
    unit: 'bytes',
    goal,
    details: {
      tokens: traffic.tokens,
      ...Object.fromEntries(Object.entries(traffic.bytes).map(([type, size]) => [`${type}Bytes`, size])),
      textBytes: traffic.text,
      // For a vocabulary above 256 or above 65,536, with as many bytes for every id.
      withIdsOf3Bytes: perToken + 3 - traffic.tokenIdBytes / traffic.tokens,
      withIdsOf5Bytes: perToken + 5 - traffic.tokenIdBytes / traffic.tokens,
    },
  };
}

export const scenario: Scenario = async () => {
  const plain = await runJob(free, modes.none);
  const charged = await runJob(withPaidNodes, modes.none);
  const audited = await runJob(free, modes.merkle);
  const ackBytes = charged.bytes.ack ?? 0;
  const openingBytes = audited.bytes.opening ?? 0;
  return [
    framesFigure('frames beyond the text, per token', plain, { atMost: 16 }),
    framesFigure('… of a paid job', charged, { atMost: 24 }),
    {
      name: 'acknowledgements of a paid job, per token',
      value: ackBytes / charged.tokens,
      unit: 'bytes',
      goal: { atMost: 8 },
      details: { tokens: charged.tokens, acks: charged.acks, ackBytes },
    },
    {
      name: 'an opened step, as sent',
      value: openingBytes / 16,
      unit: 'bytes',
      goal: { atMost: 700 },
      details: { steps: 16, answerTokens: audited.tokens, openingBytes },
    },
  ];
};
