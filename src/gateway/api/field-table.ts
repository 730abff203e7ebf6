/**
 * What the gateway does with a field of a request: `honoured`, `capped` (honoured up to a limit), `ignored` (accepted
 * without effect) or `refused` (by name, with status 400).
 */
export type Treatment = 'honoured' | 'capped' | 'ignored' | 'refused';

export interface FieldRule {
  /** Path in the request; `[]` stands for every item of a list. */
  readonly field: string;
  readonly treatment: Treatment;
  /** Values of a refused field that ask for nothing and are accepted. */
  readonly accepts: readonly unknown[];
  /** One line for people; part of the error message of a refused field. */
  readonly note: string;
}

const honoured = (field: string, note = ''): FieldRule => ({ field, treatment: 'honoured', accepts: [], note });
const capped = (field: string, note: string): FieldRule => ({ field, treatment: 'capped', accepts: [], note });
const ignored = (note: string, ...fields: readonly string[]): readonly FieldRule[] =>
  fields.map((field) => ({ field, treatment: 'ignored', accepts: [], note }));
const refused = (field: string, accepts: readonly unknown[], note = ''): FieldRule => ({
  field,
  treatment: 'refused',
  accepts,
  note,
});

const clientNote = 'a note of the client to itself';
const length = 'cut to the room that the prompt leaves in the model’s context; `usage` and the finish reason tell';
const effort = 'a hint; no model here has levels of it';
const notYet = 'not offered yet';
const byTemplate = 'for templates that show it';
const logprobs = 'recomputed if the gateway holds the model, else from up to 256 opened steps, by token id';

const extension: readonly FieldRule[] = [
  honoured('qvac.provider', 'peer id or address'),
  honoured('qvac.verify', '`none`, `optimistic`, `sampling` or `full`'),
  honoured('qvac.referees', '0, 1 or 3; at most the operator’s, unless the request has the run’s token'),
  capped('qvac.max_price', 'lamports; with its referees at most the operator’s limit, unless a browser wallet pays'),
  honoured('qvac.pay', '`auto`, `job` or `channel`'),
  capped('qvac.max_deposit', 'lamports in one channel; at most the operator’s limit, unless a browser wallet pays'),
  honoured('qvac.wallet', 'from the gateway’s own page only'),
  honoured('qvac.consent', 'from the gateway’s own page only'),
];

const schema = 'JSON schema (see below)';
/** As llama.cpp and vLLM have them, on every route. */
const grammars: readonly FieldRule[] = [
  honoured('grammar', 'GBNF, from its rule `root` on'),
  honoured('json_schema', schema),
  honoured('guided_grammar', 'as `grammar`'),
  honoured('guided_json', schema),
  honoured('guided_regex', 'regular expression for the whole answer'),
  honoured('guided_choice', 'list of texts'),
  honoured('structured_outputs.grammar', 'as `grammar`'),
  honoured('structured_outputs.json', schema),
  honoured('structured_outputs.regex', 'as `guided_regex`'),
  honoured('structured_outputs.choice', 'as `guided_choice`'),
];
const format = '`text`, `json_object` or `json_schema` (see below)';

const gap = 'the text behind a gap, for models whose file has the tokens for it';

const model = honoured('model', 'in any case; `NAME`, `NAME/QUANT`, `NAME:QUANT`, `NAME:latest` or hex id');
const seed = 'all digits up to 2^64 − 1; -1 means random';

/** @param prefix of the object that holds them, such as `options.` */
const samplerFields = (prefix = ''): readonly FieldRule[] => [
  honoured(`${prefix}temperature`, '0 to 2, in steps of 0.01'),
  capped(`${prefix}top_k`, '20 at most, also for 0 and -1; the header `x-qvac-adjusted` tells'),
  honoured(`${prefix}min_p`, '0 to 1, in steps of 0.01'),
  honoured(`${prefix}seed`, seed),
  honoured(`${prefix}top_p`, '0 to 1, in steps of 0.01; 0 counts as 0.01'),
];
const penalties = (prefix = ''): readonly FieldRule[] => [
  honoured(`${prefix}frequency_penalty`, '-2 to 2'),
  honoured(`${prefix}presence_penalty`, '-2 to 2'),
];
const stops = (field: string): FieldRule =>
  honoured(field, 'up to 32 texts; the answer ends with the token that completes one');
const logitBias = honoured('logit_bias', 'up to 300 tokens; moves candidates, -100 bans one, up to 19 can be banned');
const choices = capped('n', '1 to 8, each a job of its own; with a `seed`, each draws with the next one');
const ignoredPenalty = 'no such penalty here; the header `x-qvac-adjusted` tells';

const streamOptions: readonly FieldRule[] = [
  honoured('stream'),
  honoured('stream_options.include_usage', 'usage in one more chunk at the end'),
  ...ignored('usage comes once, at the end', 'stream_options.continuous_usage_stats'),
  ...ignored('nothing here is padded', 'stream_options.include_obfuscation'),
];

const byTools = 'for models whose template takes tools';
const leftOut = 'is left out; the header `x-qvac-adjusted` tells';
const otherTools = `a tool that is not a function ${leftOut}`;
const openaiTools = `\`function\`, \`custom\` or \`namespace\` (responses); a tool of another type ${leftOut}`;
const toolName = '1 to 128 letters, digits and `_ . : / -`';
const shownSchema = 'JSON schema; shown to the model, and enforced in forced calls';
const toolHint = 'a hint for other servers';

const toolChoice: readonly FieldRule[] = [
  honoured('tools', byTools),
  honoured('tools[].type', openaiTools),
  honoured(
    'tool_choice',
    '`auto`, `none`, `required`, a function or custom tool, or `allowed_tools`: the only ones that the model sees',
  ),
  honoured('parallel_tool_calls', 'false: only the first call is passed on'),
];

/** @param prefix of the object that describes a function */
const functionFields = (prefix: string, parameters = 'parameters'): readonly FieldRule[] => [
  honoured(`${prefix}name`, toolName),
  honoured(`${prefix}description`),
  honoured(`${prefix}${parameters}`, shownSchema),
  ...ignored('only forced calls follow their schema', `${prefix}strict`),
];

/**
 * A tool that takes a text.
 * @param prefix of the object that describes it
 * @param grammar of the object that has its grammar
 */
const customFields = (prefix: string, grammar: string): readonly FieldRule[] => [
  honoured(`${prefix}format.type`, '`text` or `grammar`; shown to the model, and enforced in forced calls'),
  honoured(`${grammar}syntax`, '`lark` or `regex`'),
  honoured(`${grammar}definition`, 'at most 64 KiB'),
];

/** Tools and earlier calls as OpenAI's chat completions and Ollama have them. */
const chatTools: readonly FieldRule[] = [
  ...functionFields('tools[].function.'),
  ...ignored(toolHint, 'tools[].cache_control'),
  honoured('messages[].tool_calls'),
  honoured('messages[].tool_calls[].id', 'the model gets nine letters and digits'),
  honoured('messages[].tool_calls[].function.name', toolName),
  honoured('messages[].tool_calls[].function.arguments', 'an object, or its JSON text'),
  ...ignored(clientNote, 'messages[].tool_calls[].index', 'messages[].tool_calls[].extra_content'),
  ...ignored(clientNote, 'messages[].tool_calls[].function.index'),
  honoured('messages[].tool_call_id', 'of a message of the role `tool`'),
];

const openaiNotes = ignored(
  clientNote,
  'user',
  'metadata',
  'safety_identifier',
  'prompt_cache_key',
  'prompt_cache_retention',
  'client_metadata',
);

/** @param list such as `messages[].content[].` */
const textParts = (list: string): readonly FieldRule[] => [
  honoured(`${list}type`, 'text only'),
  honoured(`${list}text`),
  ...ignored('a hint for caches', `${list}cache_control`),
  refused(`${list}annotations`, [[]]),
  refused(`${list}logprobs`, [[]]),
  refused(`${list}citations`, [[], { enabled: false }]),
];

const chat: readonly FieldRule[] = [
  model,
  honoured('messages'),
  honoured('messages[].role', '`system`, `developer` (as `system`), `user`, `assistant`, `tool`'),
  honoured('messages[].content', 'text or text parts; null or missing counts as empty'),
  ...textParts('messages[].content[].'),
  honoured('messages[].name', byTemplate),
  honoured('messages[].reasoning_content', byTemplate),
  ...ignored('`reasoning_content` is read', 'messages[].reasoning', 'messages[].reasoning_details'),
  ...ignored(clientNote, 'messages[].id', 'messages[].annotations', 'messages[].metadata'),
  ...ignored('a hint for caches', 'messages[].cache_control'),
  ...chatTools,
  honoured('tools[].custom.name', toolName),
  honoured('tools[].custom.description'),
  ...customFields('tools[].custom.', 'tools[].custom.format.grammar.'),
  honoured('messages[].tool_calls[].type', '`function` or `custom`'),
  honoured('messages[].tool_calls[].custom.name', toolName),
  honoured('messages[].tool_calls[].custom.input'),
  refused('messages[].function_call', [], 'send tool_calls'),
  refused('messages[].refusal', ['']),
  refused('messages[].audio', []),
  capped('max_completion_tokens', length),
  capped('max_tokens', `${length}; \`max_completion_tokens\` comes first`),
  ...samplerFields(),
  ...penalties(),
  ...ignored(ignoredPenalty, 'repetition_penalty'),
  logitBias,
  stops('stop'),
  ...streamOptions,
  honoured('logprobs', logprobs),
  honoured('top_logprobs', '0 to 20'),
  honoured(
    'reasoning_effort',
    '`none` switches thinking off (template option `enable_thinking`); other levels are ignored',
  ),
  honoured('chat_template_kwargs', 'options of the model’s template: texts, whole numbers, true or false'),
  ...ignored(effort, 'verbosity'),
  ...toolChoice,
  refused('functions', [[]], 'send tools'),
  refused('function_call', ['none', 'auto'], 'send tool_choice'),
  honoured('response_format', format),
  ...grammars,
  choices,
  refused('modalities', [['text']]),
  refused('service_tier', ['auto', 'default']),
  refused('store', [false], 'the gateway stores no responses'),
  ...openaiNotes,
  ...extension,
];

const completions: readonly FieldRule[] = [
  model,
  honoured('prompt', 'one text, used without a template'),
  capped('max_tokens', length),
  ...samplerFields(),
  ...penalties(),
  logitBias,
  stops('stop'),
  ...streamOptions,
  honoured('logprobs', `0 to 20; ${logprobs}`),
  honoured('response_format', format),
  ...grammars,
  choices,
  refused('best_of', [1]),
  refused('echo', [false]),
  honoured('suffix', gap),
  ...openaiNotes,
  ...extension,
];

const noStorage = 'the gateway stores no responses: send the whole conversation, and store: false';

const responses: readonly FieldRule[] = [
  model,
  honoured('input', 'text or a list of items'),
  honoured(
    'input[].type',
    '`message`, `function_call`, `custom_tool_call`, their outputs, `reasoning`; `item_reference` is refused: the ' +
      'gateway stores nothing',
  ),
  honoured('input[].role', '`system`, `developer` (as `system`), `user`, `assistant`'),
  honoured('input[].content', 'text or text parts; null or missing counts as empty'),
  ...textParts('input[].content[].'),
  ...ignored(
    clientNote,
    'input[].id',
    'input[].status',
    'input[].phase',
    'input[].internal_chat_message_metadata_passthrough',
  ),
  honoured('input[].call_id', 'the model gets nine letters and digits'),
  honoured('input[].name', toolName),
  honoured('input[].namespace', 'of the tool'),
  honoured('input[].arguments', 'JSON text of an object'),
  honoured('input[].input', 'of a `custom_tool_call`'),
  honoured('input[].output', 'text or text parts'),
  honoured('instructions', 'as a system message'),
  capped('max_output_tokens', length),
  ...samplerFields(),
  honoured('stream'),
  ...ignored('nothing here is padded', 'stream_options.include_obfuscation'),
  honoured(
    'reasoning.effort',
    '`none` switches thinking off (template option `enable_thinking`); other levels are ignored',
  ),
  ...ignored('reasoning is shown whole', 'reasoning.summary', 'reasoning.generate_summary'),
  honoured('include', '`reasoning.encrypted_content` is accepted, and there is none; anything else is refused'),
  honoured('text.format', format),
  ...grammars,
  ...ignored(effort, 'text.verbosity'),
  ...toolChoice,
  honoured('tools[].tools', 'of a `namespace`; the model sees `NAMESPACE.NAME`'),
  ...['tools[].', 'tools[].tools[].'].flatMap((tool) => [
    ...functionFields(tool),
    ...customFields(tool, `${tool}format.`),
    ...ignored(toolHint, `${tool}defer_loading`, `${tool}allowed_callers`, `${tool}output_schema`),
  ]),
  honoured('tools[].tools[].type', '`function` or `custom`'),
  ...ignored('the gateway runs no tools itself', 'max_tool_calls'),
  refused('previous_response_id', [], noStorage),
  refused('conversation', [], noStorage),
  refused('store', [false], noStorage),
  refused('background', [false], noStorage),
  refused('prompt', [], noStorage),
  refused('truncation', ['disabled']),
  refused('top_logprobs', [0]),
  refused('service_tier', ['auto', 'default']),
  ...openaiNotes,
  ...extension,
];

const messages: readonly FieldRule[] = [
  model,
  honoured('messages'),
  honoured('messages[].role', '`user`, `assistant` or `system`'),
  honoured(
    'messages[].content',
    'text or blocks of the types `text`, `thinking`, `tool_use` and `tool_result`; null or missing counts as empty',
  ),
  ...textParts('messages[].content[].'),
  honoured('messages[].content[].thinking', byTemplate),
  ...ignored('thinking here is not signed', 'messages[].content[].signature'),
  honoured('messages[].content[].id', 'the model gets nine letters and digits'),
  honoured('messages[].content[].name', toolName),
  honoured('messages[].content[].input'),
  honoured('messages[].content[].tool_use_id'),
  honoured('messages[].content[].content', 'text or text blocks'),
  ...textParts('messages[].content[].content[].'),
  ...ignored('the text says it', 'messages[].content[].is_error'),
  ...ignored(clientNote, 'messages[].content[].caller'),
  ...ignored(clientNote, 'messages[].id'),
  honoured('system', 'text or text blocks'),
  ...textParts('system[].'),
  capped('max_tokens', length),
  ...samplerFields(),
  stops('stop_sequences'),
  honoured('stream'),
  honoured(
    'thinking.type',
    '`disabled` and `enabled` switch thinking off and on (template option `enable_thinking`), `adaptive` leaves it ' +
      'to the model',
  ),
  ...ignored('thinking is shown whole', 'thinking.display'),
  ...ignored('thinking has no limit of its own', 'thinking.budget_tokens'),
  ...ignored(effort, 'output_config.effort'),
  honoured('output_config.format', '`json_schema` (see below)'),
  honoured('output_format', 'as `output_config.format`'),
  ...grammars,
  ...ignored('the gateway clears nothing', 'context_management'),
  ...ignored('a hint for caches', 'cache_control'),
  honoured('tools', byTools),
  honoured('tools[].type', otherTools),
  ...functionFields('tools[].', 'input_schema'),
  ...ignored(
    toolHint,
    'tools[].cache_control',
    'tools[].eager_input_streaming',
    'tools[].defer_loading',
    'tools[].allowed_callers',
    'tools[].input_examples',
  ),
  honoured('tool_choice.type', '`auto`, `none`, `any` or `tool`'),
  honoured('tool_choice.name', 'of the tool that must be called'),
  honoured('tool_choice.disable_parallel_tool_use', 'true: only the first call is passed on'),
  refused('mcp_servers', [[]], notYet),
  refused('container', []),
  refused('service_tier', ['auto', 'standard_only']),
  ...ignored(clientNote, 'metadata'),
  ...extension,
];

const hardware = 'how a machine computes does not change the text';

const ollamaShared: readonly FieldRule[] = [
  model,
  honoured('stream', 'true by default'),
  honoured(
    'keep_alive',
    '0 with an empty prompt is answered as an unload, anything else has no effect: providers load models',
  ),
  honoured('think', 'switches thinking on or off (template option `enable_thinking`); a level switches it on'),
  capped('options.num_predict', `${length}; below 0 is the default`),
  ...ignored('the context is the model’s own', 'options.num_ctx'),
  ...samplerFields('options.'),
  ...penalties('options.'),
  stops('options.stop'),
  refused('options.typical_p', [1], notYet),
  refused('options.tfs_z', [1], notYet),
  ...ignored(ignoredPenalty, 'options.repeat_penalty'),
  refused('options.mirostat', [0], notYet),
  ...ignored(
    'has an effect only beside a repeat penalty or mirostat, which are not offered',
    'options.repeat_last_n',
    'options.penalize_newline',
    'options.mirostat_tau',
    'options.mirostat_eta',
  ),
  ...ignored('a prompt that does not fit is refused, never shortened', 'options.num_keep', 'truncate', 'shift'),
  ...ignored(
    hardware,
    'options.num_thread',
    'options.num_gpu',
    'options.main_gpu',
    'options.num_batch',
    'options.use_mmap',
    'options.use_mlock',
    'options.low_vram',
    'options.f16_kv',
    'options.numa',
    'options.logits_all',
    'options.vocab_only',
  ),
  honoured('format', '`json`, or a JSON schema (see below)'),
  ...grammars,
  refused('logprobs', [false], notYet),
  refused('top_logprobs', [0], notYet),
  ...extension,
];

const ollamaChat: readonly FieldRule[] = [
  honoured('messages', 'an empty list checks that the model is on offer'),
  honoured('messages[].role', '`system`, `user`, `assistant`, `tool`'),
  honoured('messages[].content', 'text; null or missing counts as empty'),
  refused('messages[].images', [[]], notYet),
  honoured('messages[].thinking', byTemplate),
  honoured('messages[].name', byTemplate),
  honoured('messages[].tool_name', 'of a message of the role `tool`'),
  honoured('tools', byTools),
  honoured('tools[].type', otherTools),
  ...chatTools,
  ...ollamaShared,
];

const ollamaGenerate: readonly FieldRule[] = [
  honoured('prompt', 'an empty text checks that the model is on offer'),
  honoured('system', 'not with `raw`'),
  honoured('raw'),
  honoured('suffix', `${gap}; not with \`system\``),
  refused('template', ['']),
  refused('images', [[]], notYet),
  refused('context', [[]]),
  ...ollamaShared,
];

/** Every field that the gateway knows, by route. Any other field is refused by name. `null` counts as absent. */
export const fieldTable = {
  '/v1/chat/completions': chat,
  '/v1/completions': completions,
  '/v1/responses': responses,
  '/v1/messages': messages,
  '/api/chat': ollamaChat,
  '/api/generate': ollamaGenerate,
} as const satisfies Readonly<Record<string, readonly FieldRule[]>>;

export type CompletionRoute = keyof typeof fieldTable;

const embeddingExtension: readonly FieldRule[] = [
  ...extension.filter(({ field }) => field !== 'qvac.referees' && field !== 'qvac.max_price'),
  capped('qvac.max_price', 'lamports; at most the operator’s limit, unless a browser wallet pays'),
  refused('qvac.referees', [0], 'vectors have none'),
];
const ownLength = 'the model’s own length; another one is refused by name';
const cut = 'false: a text that is longer than the context is refused; true by default';

const ollamaEmbedShared: readonly FieldRule[] = [
  model,
  ...ignored('providers load models', 'keep_alive'),
  ...ignored('how a machine computes does not change the vectors', 'options'),
  ...embeddingExtension,
];

/** The same of the routes that embed texts. */
export const embeddingFields = {
  '/v1/embeddings': [
    model,
    honoured('input', 'a text, or a list of up to 2,048; token ids are refused'),
    honoured('encoding_format', '`float` or `base64`'),
    honoured('dimensions', ownLength),
    ...ignored(clientNote, 'user'),
    ...embeddingExtension,
  ],
  '/api/embed': [
    honoured('input', 'a text, or a list of up to 2,048; none checks that the model is on offer'),
    honoured('truncate', cut),
    honoured('dimensions', ownLength),
    ...ollamaEmbedShared,
  ],
  '/api/embeddings': [
    honoured('prompt', 'cut at the context of the model; an empty text checks that the model is on offer'),
    honoured('dimensions', ownLength),
    ...ollamaEmbedShared,
  ],
} as const satisfies Readonly<Record<string, readonly FieldRule[]>>;

export type EmbeddingRoute = keyof typeof embeddingFields;
