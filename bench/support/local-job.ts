import { fromHex, utf8 } from '../../src/lib/bytes.ts';
import type { Engine } from '../../src/model/engine.ts';
import { gatherEvidence } from '../../src/model/verify.ts';
import { type Assessment, assess } from '../../src/proofs/checks.ts';
import { encodeHead } from '../../src/proofs/head.ts';
import type { TopLogits } from '../../src/proofs/logits.ts';
import type { Receipt } from '../../src/proofs/receipt.ts';
import { createReceived } from '../../src/proofs/received.ts';
import { signBody, signingKeyFromSeed } from '../../src/proofs/signing.ts';
import { createTranscript, type Transcript, type TranscriptInit } from '../../src/proofs/transcript.ts';
import { headIntervalTokens } from '../../src/protocol/constants.ts';
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
  finish,
  type Input,
  kinds,
  modes,
  type Offer,
  payFrom,
  type SamplerSettings,
  type Signed,
} from '../../src/protocol/messages.ts';
import { encodeOffer, encodeOpening } from '../../src/protocol/validate.ts';

/** A whole job without the network, both sides in one process; the same number gives the same job. */
export interface LocalJob {
  /** The model and the class that the card names. */
  readonly claimed: Pick<Engine, 'facts' | 'tokenizer' | 'exec'>;
  readonly question: string;
  readonly sampler: SamplerSettings;
  /** Seeds everything random. */
  readonly number: number;
  /** Makes the provider's record; a cheat replaces it. @default the transcript of the protocol */
  readonly createTranscript?: ((init: TranscriptInit) => Transcript) | undefined;
}

/** A provider's logits: after the prompt, then after each token. */
interface LogitSource {
  first(promptTokens: readonly number[]): Promise<TopLogits>;
  after(token: number): Promise<TopLogits>;
}

const [client, provider] = [signingKeyFromSeed(sha256(utf8('client'))), signingKeyFromSeed(sha256(utf8('provider')))];
const issuedAt = 1_790_000_000_000n;

const nothingPaid = { pay: payFrom.nothing, account: new Uint8Array(32), amountLamports: 0n };
const noTerms = {
  promptTokens: 0,
  priceJobLamports: 0n,
  priceInLamports: 0n,
  priceOutLamports: 0n,
  grace: 0,
  deliverWithinS: 0,
};

function inputOf(question: string): Input {
  return {
    messages: [{ role: 'user', content: question }],
    template: 'gguf',
    options: {},
    tools: null,
    date: null,
    continuation: [],
  };
}

/** The job's receipt with its opening and without a verdict. */
async function runLocalJob(job: LocalJob, source: LogitSource): Promise<Receipt> {
  const { claimed, question, number } = job;
  const random = (name: string): Uint8Array => sha256(utf8(`${name} ${number}`));
  const input = inputOf(question);
  const { tokens: promptTokens, tail } = claimed.tokenizer.encodePrompt(input);
  const secret = random('secret');
  const offer = offerOf(job, sha256(secret), random('nonce').slice(0, 16));
  const body = encodeOffer(offer);
  const jobId = jobIdOf(body);
  const inputDigest = inputDigestOf(offer.modelId, promptTokens);
  const transcript = (job.createTranscript ?? createTranscript)({
    jobId,
    offer,
    settings: {},
    continuation: [],
    inputDigest,
    promptCount: promptTokens.length,
    execClass: offer.execClass,
    jobSecret: random('salts'),
    bytesOf: (token) => claimed.tokenizer.bytesOf(token),
    matcher: null,
  });
  const received = createReceived({
    offer,
    offerSigned: signBody(client, kinds.offer, jobId, body),
    quote: null,
    exec: claimed.exec,
    input,
  });
  received.accept({ promptTokens, inputDigest, tail });
  const signHead = (reason: Finish): Signed =>
    signBody(provider, kinds.head, jobId, encodeHead(transcript.head(reason)));
  let top = await source.first(promptTokens);
  for (;;) {
    const { token, text, finish: ended } = transcript.next(top);
    const rest = ended === null ? '' : transcript.end(ended);
    received.addTokens({ i: received.n, tokens: [token], text: text + rest });
    if (ended !== null || received.n % headIntervalTokens === 0) received.addHead(signHead(ended ?? finish.notFinal));
    if (ended !== null) break;
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
    version: 1,
    client: client.publicKey,
    provider: provider.publicKey,
    modelId: fromHex(facts.id),
    execClass: execClassOf(exec),
    requestDigest: requestDigestOf(inputOf(question)),
    quote: null,
    seed: seedOfNumber(BigInt(number)),
    sampler: { ...sampler, vocab: facts.vocab, stops: facts.stops, extra: null },
    challenge: { commit, count: 16 },
    mode: modes.merkle,
    start: 0,
    payment: nothingPaid,
    terms: noTerms,
    issuedAt,
    expiresAt: issuedAt + 60_000n,
    nonce,
  };
}

/** An answer computed by `engine` under the name and class of `claimed`. */
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
