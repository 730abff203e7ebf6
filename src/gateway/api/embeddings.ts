import { shortFloat32 } from '../../lib/float32.ts';
import { normalised } from '../../proofs/embedding/distance.ts';
import { maxReferees } from '../../protocol/constants.ts';
import type { EmbeddingQuery } from '../answer/embedding-client.ts';
import { badField } from '../problem.ts';
import { type RequestDefaults, readExtension, readModel } from './completion-request.ts';
import { embeddingFields } from './field-table.ts';
import { RequestFields } from './request-fields.ts';

/** The vectors of a request, on their way to the client. */
export interface EmbeddingReply {
  /** `name/quant`. */
  readonly model: string;
  /** As the model gave them. */
  readonly vectors: readonly Float32Array[];
  readonly promptTokens: number;
  /** From the request on, in ms. */
  readonly totalMs: number;
}

/** A request to embed texts, whichever API it came through. */
export interface EmbeddingRequest {
  readonly query: EmbeddingQuery;
  /** Numbers of each vector that the client asks for; null: as the model gives them. */
  readonly dimensions: number | null;
  /** The response's body. */
  body(reply: EmbeddingReply): object;
}

/** Reads a request's JSON. @throws Problem */
export type EmbeddingReader = (body: unknown, defaults: RequestDefaults) => EmbeddingRequest;

/** As OpenAI has it. */
const maxTexts = 2_048;
const maxDimensions = 2 ** 20;
const nanosecondsPerMs = 1e6;

/** Reads OpenAI's `POST /v1/embeddings`. @throws Problem */
export function readOpenaiEmbeddings(body: unknown, defaults: RequestDefaults): EmbeddingRequest {
  const fields = RequestFields.of(body, embeddingFields['/v1/embeddings']);
  const texts = readTexts(fields, 'input');
  if (texts.length === 0) throw fields.bad('input', 'a text, or a list of at least one');
  const encoding = fields.oneOf('encoding_format', ['float', 'base64']) ?? 'float';
  const encode = encoding === 'float' ? numbersOf : base64Of;
  const query = readQuery(fields, defaults, { texts, truncate: false });
  return {
    ...query,
    body: ({ model, vectors, promptTokens }) => ({
      object: 'list',
      data: vectors.map((vector, index) => ({ object: 'embedding', index, embedding: encode(vector) })),
      model,
      usage: { prompt_tokens: promptTokens, total_tokens: promptTokens },
    }),
  };
}

/** Reads Ollama's `POST /api/embed`. @throws Problem */
export function readOllamaEmbed(body: unknown, defaults: RequestDefaults): EmbeddingRequest {
  const fields = RequestFields.of(body, embeddingFields['/api/embed']);
  const texts = readTexts(fields, 'input');
  const truncate = fields.flag('truncate') ?? true;
  const query = readQuery(fields, defaults, { texts, truncate });
  return {
    ...query,
    body: ({ model, vectors, promptTokens, totalMs }) => ({
      model,
      embeddings: vectors.map(numbersOf),
      total_duration: Math.round(totalMs * nanosecondsPerMs),
      load_duration: 0,
      prompt_eval_count: promptTokens,
    }),
  };
}

/** Reads Ollama's older `POST /api/embeddings`, of one text. @throws Problem */
export function readOllamaEmbeddings(body: unknown, defaults: RequestDefaults): EmbeddingRequest {
  const fields = RequestFields.of(body, embeddingFields['/api/embeddings']);
  const prompt = fields.text('prompt') ?? '';
  const query = readQuery(fields, defaults, { texts: prompt === '' ? [] : [prompt], truncate: true });
  return {
    ...query,
    body: ({ vectors: [vector] }) => ({ embedding: vector === undefined ? [] : numbersOf(vector) }),
  };
}

function readQuery(
  fields: RequestFields,
  defaults: RequestDefaults,
  { texts, truncate }: Pick<EmbeddingQuery, 'texts' | 'truncate'>,
): Pick<EmbeddingRequest, 'query' | 'dimensions'> {
  // Whatever the operator allows: it is vectors that have no referees.
  const ownDefaults = { ...defaults, referees: null, mostReferees: maxReferees } as const;
  const { referees, ...extension } = readExtension(fields, ownDefaults);
  if (referees !== null) fields.refuse('qvac.referees', '', 'vectors have none');
  const query = { ...extension, model: readModel(fields, defaults), texts, truncate, timeoutMs: defaults.timeoutMs };
  const dimensions = fields.whole('dimensions', 1, maxDimensions) ?? null;
  fields.finish();
  return { query, dimensions };
}

/** A text, or a list of texts. Ollama takes an empty text as none. */
function readTexts(fields: RequestFields, name: string): readonly string[] {
  const value = fields.raw(name);
  if (value === undefined || value === '') return [];
  if (typeof value === 'string') return [wellFormed(value, name)];
  if (!Array.isArray(value)) throw fields.bad(name, 'a text, or a list of texts');
  if (value.length > maxTexts) throw badField(name, `${name}: ${value.length} texts, at most ${maxTexts} are taken`);
  return value.map((text: unknown, at) => {
    if (typeof text !== 'string') throw badField(name, `${name}[${at}]: expected text; token ids are not taken`);
    return wellFormed(text, `${name}[${at}]`);
  });
}

function wellFormed(text: string, path: string): string {
  if (text.isWellFormed()) return text;
  throw badField(path, `${path}: not Unicode (a lone surrogate)`);
}

function numbersOf(vector: Float32Array): readonly number[] {
  return Array.from(normalised(vector), shortFloat32);
}

/** As OpenAI's clients read it: float32, little-endian. */
function base64Of(vector: Float32Array): string {
  const bytes = Buffer.alloc(4 * vector.length);
  for (const [at, value] of normalised(vector).entries()) bytes.writeFloatLE(value, 4 * at);
  return bytes.toString('base64');
}
