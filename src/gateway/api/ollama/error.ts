import type { Problem } from '../../problem.ts';

/** Ollama's error body with our code beside it. */
export function ollamaError({ message, code }: Problem): object {
  return { error: message, code };
}
