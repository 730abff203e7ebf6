/** Forms of questions that a small model answers at length; `%` stands for the topic. */
const forms: readonly string[] = [
  'Write a long story about %.',
  'Explain % step by step to a child of ten.',
  'Write a detailed essay about %, with an introduction and a conclusion.',
  'What are the advantages and disadvantages of %? Give reasons.',
  'Tell me about the history of %, with the important people and dates.',
  'Write a letter to a friend about %.',
  'List ten facts about % and explain each of them.',
  'Write a dialogue between a teacher and a pupil about %.',
  'Compare % with something similar, in several paragraphs.',
  'Write a poem of five verses about %.',
  'Give me a plan for a week in which I learn about %.',
  'Describe % to somebody who has never seen it.',
];

const topics: readonly string[] = [
  'a lighthouse in winter',
  'the refrigerator',
  'a medieval bakery',
  'three days in Lisbon',
  'working from home',
  'cats and dogs as pets',
  'vaccines',
  'the bicycle',
  'prime numbers',
  'vegetable soup',
  'the colours of autumn leaves',
  'the printing press',
  'the game of chess',
  'coffee, from the plant to the cup',
  'gravity',
  'a rainy Sunday with children',
  'the stock market',
  'a fox, a mill and a golden coin',
  'volcanoes',
  'electric cars',
  'the violin',
  'honey bees',
  'the moon',
  'public libraries',
  'a long railway journey',
];

/** A fixed list of questions, so that a number names a job. It repeats after `forms × topics`. */
export function questionOf(number: number): string {
  // Both move with every number, so that a few jobs in a row see many forms and topics.
  const form = forms[number % forms.length] ?? '';
  const topic = topics[(number + Math.floor(number / topics.length / forms.length)) % topics.length] ?? '';
  return form.replace('%', topic);
}
