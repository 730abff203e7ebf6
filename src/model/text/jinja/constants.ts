/** Bounds on what a stranger's template may cost, so that no file hangs or fills the process. */

/** UTF-16 units of one text. */
export const maxTextLength = 4 * 1024 * 1024;
/** Items of one list. */
export const maxItems = 65_536;
/** Units of work of one rendering: evaluated nodes, items touched, and texts by their length. */
export const maxWork = 3_000_000;
/** UTF-16 units of text that count as one unit of work where the text is copied. */
export const charactersPerUnit = 64;
/** The same where each character is looked at. */
export const scannedPerUnit = 16;
/** Comparisons of two characters that count as one unit of work where a text is looked for in another. */
export const comparisonsPerUnit = 8_192;
/** Nested calls and expressions. */
export const maxDepth = 300;
/** Nested brackets and blocks in the source. */
export const maxSourceDepth = 100;
/** Decimal digits of an integer, where Python refuses to print or read one. */
export const maxDigits = 4_300;
/** UTF-16 units of a template's source. */
export const maxSourceLength = 4 * 1024 * 1024;
