import { concat, fromHex } from '../../../lib/bytes.ts';
import { bytesOfVector, splitTokens, type Vectors, VectorTree } from '../../../proofs/embedding/vectors.ts';
import { textDigestOf } from '../../../protocol/digests.ts';
import { finish, type Head, type Signed } from '../../../protocol/messages.ts';
import type { FrameStream } from '../../streams/streams.ts';
import type { Admission } from '../admission/admission.ts';
import { OfferRefusal } from '../refusal.ts';
import { type FinishedJob, JobRun, type JobRunComponents, type JobRunInit, type KeepFinished } from './job-run.ts';
import { openableVectors } from './openable.ts';

/** Numbers in one `vectors` frame, at most: a quarter of its limit. */
const maxFrameNumbers = 2 ** 16;

/** One admitted embedding job (section 4.9) from its accept to its head. */
export class EmbedRun extends JobRun {
  readonly #tree: VectorTree;
  readonly #vectors: Uint8Array[] = [];
  #hasSentHead = false;
  #finalSigned: Signed | null = null;

  constructor(components: JobRunComponents, admission: Admission, stream: FrameStream, init: JobRunInit) {
    super(components, admission, stream, init);
    this.#tree = new VectorTree(fromHex(admission.jobId), admission.offer.modelId);
  }

  override get finished(): boolean {
    return this.#hasSentHead;
  }

  /** Without an early end: all texts are embedded, or the job failed and nothing is due. */
  protected override async compute(accept: () => void, keep: KeepFinished): Promise<FinishedJob> {
    accept();
    // All of the work comes now, so it does not begin before it is due.
    await this.gate.acknowledged(0, this.stop.signal);
    await this.#embed();
    return this.#finish(keep);
  }

  protected override async keepAcknowledged(): Promise<void> {
    if (this.isInChannel && this.#finalSigned !== null) await this.#keep(this.#finalSigned);
  }

  async #embed(): Promise<void> {
    const { engine } = this.components;
    const { prompt } = this.admission;
    const { signal } = this.stop;
    let done = 0;
    for (const tokens of splitTokens({ counts: this.#counts }, prompt.tokens)) {
      const vector = await engine.embed?.(tokens, { signal, isUnderWay: done > 0 });
      if (vector === undefined || vector.length !== this.#dimensions || !vector.every(Number.isFinite))
        throw new OfferRefusal('internal', 'the model gave no vector');
      const bytes = bytesOfVector(vector);
      this.#vectors.push(bytes);
      this.#tree.add(tokens, bytes);
      done += tokens.length;
      this.writer.progress(done, prompt.tokens.length);
    }
    signal.throwIfAborted();
  }

  async #finish(keep: KeepFinished): Promise<FinishedJob> {
    const final = this.#head();
    const finalSigned = this.sign(final);
    this.#finalSigned = finalSigned;
    // Delivered before it is sent: whoever has all vectors but the last could leave, and pay for none.
    await this.#keep(finalSigned);
    const ack = this.gate.last;
    const vectors: Vectors = { counts: this.#counts, values: concat(...this.#vectors) };
    const finished = {
      admission: this.admission,
      transcript: openableVectors(this.#tree, this.admission.offer.challenge.count, fromHex(this.admission.jobId)),
      text: '',
      vectors,
      final,
      finalSigned,
      ack,
      paid: this.paid,
      savings: { reused: 0, guessed: 0, accepted: 0 },
    };
    await Promise.all([ack && this.paid?.deliver({ head: finalSigned, ack }), keep(finished)]);
    this.#sendVectors();
    this.gate.finalHead(final.n);
    this.gate.sent(final.n, true);
    this.#hasSentHead = true;
    this.writer.head(finalSigned);
    this.paid?.submit();
    await this.writer.drained();
    return finished;
  }

  #sendVectors(): void {
    const perFrame = Math.max(1, Math.floor(maxFrameNumbers / this.#dimensions));
    for (let i = 0; i < this.#vectors.length; i += perFrame)
      this.writer.frame({
        t: 'vectors',
        i,
        counts: this.#counts.slice(i, i + perFrame),
        values: concat(...this.#vectors.slice(i, i + perFrame)),
      });
  }

  #head(): Head {
    const { jobId, inputDigest, prompt, offer } = this.admission;
    return {
      version: 1,
      jobId: fromHex(jobId),
      n: this.#tree.n,
      root: this.#tree.root(),
      prefix: inputDigest,
      textDigest: textDigestOf(''),
      inputDigest,
      execClass: offer.execClass,
      promptCount: prompt.tokens.length,
      finish: finish.length,
    };
  }

  get #counts(): readonly number[] {
    return this.admission.prompt.counts ?? [];
  }

  get #dimensions(): number {
    return this.admission.settings.embed ?? 0;
  }

  async #keep(head: Signed): Promise<void> {
    await this.paid?.keep({ head: () => head, ack: this.gate.last });
  }
}
