/** The template refuses its input, is broken, or does what Python would refuse. */
export class TemplateError extends Error {}

/** The template loops, nests or grows beyond the bounds of `constants.ts`. */
export class BoundsError extends Error {}
