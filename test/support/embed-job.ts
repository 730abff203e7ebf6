import { fromHex, utf8 } from '../../src/lib/bytes.ts';
import type { JobId } from '../../src/lib/types.ts';
import { bytesOfVector, VectorTree } from '../../src/proofs/embedding/vectors.ts';
import { encodeHead } from '../../src/proofs/head.ts';
import type { Receipt } from '../../src/proofs/receipt.ts';
import { createReceived, type Received } from '../../src/proofs/received.ts';
import { signBody } from '../../src/proofs/signing.ts';
import { challengePositions } from '../../src/proofs/tree/challenge.ts';
import {
  execClassOf,
  inputDigestOf,
  jobIdOf,
  requestDigestOf,
  sha256,
  textDigestOf,
} from '../../src/protocol/digests.ts';
import { embedInput, embedSampler } from '../../src/protocol/embedding.ts';
import { extraDigestOf } from '../../src/protocol/messages/extra.ts';
import {
  finish,
  type Head,
  kinds,
  modes,
  type Offer,
  type OpenedVector,
  payFrom,
  type Signed,
} from '../../src/protocol/messages.ts';
import { encodeExtra, encodeOffer, encodeOpening } from '../../src/protocol/validate.ts';
import { testExec } from './offers.ts';
import { client, provider } from './scripted-job.ts';

export const embedDimensions = 4;

export interface EmbedJobInit {
  readonly texts?: readonly string[] | undefined;
  /** The provider's vector of text `i`. @default numbers that follow from `i` */
  readonly vectorOf?: ((i: number) => Float32Array) | undefined;
  /** @default 16 */
  readonly count?: number | undefined;
  readonly offer?: Partial<Offer> | undefined;
}

/** Both sides of an embedding job without a network or a model. */
export interface EmbedJob {
  readonly offer: Offer;
  readonly jobId: JobId;
  readonly received: Received;
  readonly secret: Uint8Array;
  readonly tokens: readonly (readonly number[])[];
  readonly vectors: readonly Float32Array[];
  accept(): void;
  /** Sends the vectors `from` … `to`. */
  send(from?: number, to?: number): void;
  head(changes?: Partial<Head>): Signed;
  opening(change?: (vectors: readonly OpenedVector[]) => readonly OpenedVector[]): Signed;
  /** Everything in order. */
  receipt(): Receipt;
}

export function honestVector(i: number): Float32Array {
  return Float32Array.from({ length: embedDimensions }, (_, at) => Math.sin(i * 7 + at + 1));
}

export function createEmbedJob(init: EmbedJobInit = {}): EmbedJob {
  const { texts = ['one', 'two words', 'three'], vectorOf = honestVector, count = 16 } = init;
  const input = embedInput(texts);
  const tokens = texts.map((text) => [2, ...text].map((one, at) => (at === 0 ? 2 : String(one).charCodeAt(0))));
  const vectors = texts.map((_, i) => vectorOf(i));
  const secret = sha256(utf8('secret'));
  const extra = encodeExtra({ embed: embedDimensions });
  const sampler = { ...embedSampler(texts.length), vocab: 300, stops: [0], extra: extraDigestOf(extra) };
  const offer: Offer = {
    version: 1,
    client: client.publicKey,
    provider: provider.publicKey,
    modelId: sha256(utf8('model')),
    execClass: execClassOf(testExec),
    requestDigest: requestDigestOf(input),
    quote: null,
    seed: sha256(utf8('seed')),
    sampler,
    start: 0,
    challenge: { commit: sha256(secret), count },
    mode: modes.none,
    payment: { pay: payFrom.nothing, account: new Uint8Array(32), amountLamports: 0n },
    terms: {
      promptTokens: 0,
      priceJobLamports: 0n,
      priceInLamports: 0n,
      priceOutLamports: 0n,
      grace: 0,
      deliverWithinS: 0,
    },
    issuedAt: 1_000n,
    expiresAt: 2_000n,
    nonce: new Uint8Array(16),
    ...init.offer,
  };
  const body = encodeOffer(offer);
  const jobId = jobIdOf(body);
  const offerSigned = signBody(client, kinds.offer, jobId, body);
  const received = createReceived({
    offer,
    offerSigned,
    quote: null,
    exec: testExec,
    input,
    extra,
    dimensions: embedDimensions,
  });
  const promptTokens = tokens.flat();
  const inputDigest = inputDigestOf(offer.modelId, promptTokens);
  const tree = new VectorTree(fromHex(jobId), offer.modelId);
  for (const [i, vector] of vectors.entries()) tree.add(tokens[i] ?? [], bytesOfVector(vector));

  const job: EmbedJob = {
    offer,
    jobId,
    received,
    secret,
    tokens,
    vectors,
    accept: () => received.accept({ promptTokens, inputDigest, tail: '' }),
    send(from = 0, to = texts.length) {
      const values = vectors.slice(from, to).map(bytesOfVector);
      received.addVectors({
        i: from,
        counts: tokens.slice(from, to).map(({ length }) => length),
        values: Buffer.concat(values),
      });
    },
    head(changes = {}) {
      const head: Head = {
        version: 1,
        jobId: fromHex(jobId),
        n: texts.length,
        root: tree.root(),
        prefix: inputDigest,
        textDigest: textDigestOf(''),
        inputDigest,
        execClass: offer.execClass,
        promptCount: promptTokens.length,
        finish: finish.length,
        ...changes,
      };
      return signBody(provider, kinds.head, jobId, encodeHead(head));
    },
    opening(change = (opened) => opened) {
      const opened = tree.open(challengePositions(tree.root(), secret, texts.length, count));
      const opening = { v: 3, jobId: fromHex(jobId), root: tree.root(), vectors: change(opened) } as const;
      return signBody(provider, kinds.opening, jobId, encodeOpening(opening));
    },
    receipt() {
      job.accept();
      job.send();
      received.addHead(job.head());
      received.setOpening(job.opening(), secret);
      return received.receipt([]);
    },
  };
  return job;
}
