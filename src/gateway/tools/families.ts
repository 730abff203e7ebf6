import type { toolFamilies } from '../../settings.ts';
import type { CallForm } from './forms/form.ts';
import { gemmaCalls } from './forms/gemma-calls.ts';
import { hermesCalls, pythonTagCalls } from './forms/json-calls.ts';
import { mistralCalls } from './forms/mistral-calls.ts';
import { pythonCalls } from './forms/python-calls.ts';
import { taggedCalls } from './forms/tagged-calls.ts';

export type ToolFamily = (typeof toolFamilies)[number];

/** How the calls of a family are read. */
export interface CallReading {
  readonly forms: readonly CallForm[];
  /** Whether an answer may be a call in JSON and nothing else. */
  readonly bareJson: boolean;
}

const readings: Readonly<Record<ToolFamily, CallReading>> = {
  auto: {
    forms: [hermesCalls, taggedCalls, pythonTagCalls, mistralCalls, gemmaCalls, pythonCalls],
    bareJson: true,
  },
  hermes: { forms: [hermesCalls], bareJson: false },
  'qwen3-coder': { forms: [hermesCalls, taggedCalls], bareJson: false },
  llama3: { forms: [pythonTagCalls, taggedCalls], bareJson: true },
  mistral: { forms: [mistralCalls], bareJson: false },
  gemma: { forms: [gemmaCalls], bareJson: false },
  lfm2: { forms: [pythonCalls], bareJson: false },
  // Its calls are channels.
  'gpt-oss': { forms: [], bareJson: false },
};

export function readingOf(family: ToolFamily): CallReading {
  return readings[family];
}

/** What stands in front of a call's name in a rendering, the most telling first. */
const signs: readonly (readonly [string, ToolFamily])[] = [
  ['to=functions.', 'gpt-oss'],
  ['[TOOL_CALLS]', 'mistral'],
  ['<|tool_call_start|>', 'lfm2'],
  ['<|tool_call>', 'gemma'],
  ['<start_function_call>', 'gemma'],
  ['<function=', 'qwen3-coder'],
  ['<tool_call>', 'hermes'],
  ['{"name": "', 'llama3'],
];
/** How far in front of the name a sign is looked for, characters. */
const signDistance = 80;

/**
 * The family of a model by its template's rendering of a call of `tool` with the text `argument`. `auto` if the call is
 * written in a way that is not known here.
 */
export function familyOf(rendering: string, tool: string, argument: string): ToolFamily {
  const name = rendering.lastIndexOf(tool, rendering.lastIndexOf(argument));
  if (name < 0) return 'auto';
  const before = rendering.slice(Math.max(0, name - signDistance), name);
  return signs.find(([sign]) => before.includes(sign))?.[1] ?? 'auto';
}
