import { fromHex, utf8 } from '../../src/lib/bytes.ts';
import type { Engine } from '../../src/model/engine.ts';
import { gatherEvidence } from '../../src/model/verify.ts';
import { type Assessment, assess } from '../../src/proofs/checks.ts';
import { encodeHead } from '../../src/proofs/head.ts';
import type { TopLogits } from '../../src/proofs/logits.ts';
import type { Receipt } from '../../src/proofs/receipt.ts';
import { createReceived } from '../../src/proofs/received.ts';
import { signBody, signingKeyFromSeed } from '../../src/proofs/signing.ts';
import { AnswerText } from '../../src/proofs/text/answer-text.ts';
import { createTranscript, type Transcript, type TranscriptInit } from '../../src/proofs/transcript.ts';
import { headInterval } from '../../src/protocol/constants.ts';
import {
  execClassOf,
  inputDigestOf,
  jobIdOf,
  requestDigestOf,
  seedOfNumber,
  sha256,
} from '../../src/protocol/digests.ts';
import {
  type Finish,
  type Input,
  kinds,
  type Offer,
  type SamplerSettings,
  type Signed,
} from '../../src/protocol/messages.ts';
import { encodeOffer, encodeOpening } from '../../src/protocol/validate.ts';

/** A whole job without the network, both sides in one process: the same one each time for the same number. */
export interface LocalJob {
  /** What the card says: model and class. */
  readonly claimed: Pick<Engine, 'facts' | 'tokenizer' | 'exec'>;
  readonly question: string;
  readonly sampler: SamplerSettings;
  /** Everything random comes from it. */
  readonly number: number;
  /** What a cheat would replace. @default the honest record of a job */
  readonly createTranscript?: ((init: TranscriptInit) => Transcript) | undefined;
}

/** Where a provider's logits come from: those after the prompt, then those after each token. */
export interface LogitSource {
  first(promptTokens: readonly number[]): Promise<TopLogits>;
  after(token: number): Promise<TopLogits>;
}

const [client, provider] = [signingKeyFromSeed(sha256(utf8('client'))), signingKeyFromSeed(sha256(utf8('provider')))];
const issuedAt = 1_790_000_000_000;

function inputOf(question: string): Input {
  return { messages: [{ role: 'user', content: question }], template: 'gguf', options: {} };
}

/** The job's receipt, its steps opened, no verdict in it. */
async function runLocalJob(job: LocalJob, source: LogitSource): Promise<Receipt> {
  const { claimed, question, number } = job;
  const random = (name: string): Uint8Array => sha256(utf8(`${name} ${number}`));
  const input = inputOf(question);
  const promptTokens = claimed.tokenizer.encodePrompt(input);
  const secret = random('secret');
  const offer = offerOf(job, sha256(secret), random('nonce').slice(0, 16));
  const body = encodeOffer(offer);
  const jobId = jobIdOf(body);
  const inputDigest = inputDigestOf(offer.modelId, promptTokens);
  const transcript = (job.createTranscript ?? createTranscript)({
    jobId,
    offer,
    inputDigest,
    promptCount: promptTokens.length,
    execClass: offer.execClass,
    jobSecret: random('salts'),
  });
  const received = createReceived({
    offer,
    offerSigned: signBody(client, kinds.offer, jobId, body),
    quote: null,
    exec: claimed.exec,
    input,
  });
  received.accept({ promptTokens, inputDigest });
  const text = new AnswerText((token) => claimed.tokenizer.bytesOf(token));
  const sendHead = (finish: Finish): Signed =>
    signBody(provider, kinds.head, jobId, encodeHead(transcript.head({ text: received.text, finish })));
  let top = await source.first(promptTokens);
  for (;;) {
    const { token, finish } = transcript.next(top);
    received.addTokens({
      i: received.n,
      tokens: [token],
      text: text.push(token) + (finish === null ? '' : text.end()),
    });
    if (finish !== null || received.n % headInterval === 0) received.addHead(sendHead(finish ?? 255));
    if (finish !== null) break;
    top = await source.after(token);
  }
  received.setOpening(signBody(provider, kinds.opening, jobId, encodeOpening(transcript.open(secret))), secret);
  return received.receipt([]);
}

function offerOf(
  { claimed: { facts, exec }, question, sampler, number }: LocalJob,
  commit: Uint8Array,
  nonce: Uint8Array,
): Offer {
  return {
    v: 1,
    client: client.publicKey,
    provider: provider.publicKey,
    modelId: fromHex(facts.id),
    execClass: execClassOf(exec),
    requestDigest: requestDigestOf(inputOf(question)),
    quote: null,
    seed: seedOfNumber(BigInt(number)),
    sampler: { ...sampler, vocab: facts.vocab, stops: facts.stops },
    challenge: { commit, count: 16 },
    mode: 'merkle',
    payment: null,
    issuedAt,
    expiresAt: issuedAt + 60_000,
    nonce,
  };
}

/** An answer of `engine` itself. Claims what `claimed` says. */
export async function answerWith(engine: Engine, job: LocalJob): Promise<Receipt> {
  const session = await engine.open();
  const { topK } = job.sampler;
  try {
    return await runLocalJob(job, {
      first: (prompt) => session.prefill(prompt, topK),
      after: (token) => session.decode(token, topK),
    });
  } finally {
    await session.release();
  }
}

export async function verifyWith(engine: Engine, receipt: Receipt): Promise<Assessment> {
  return assess(receipt, await gatherEvidence({ engine }, receipt));
}
