import { TemplateError, type Value } from './jinja/template.ts';

const months = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];

/**
 * `strftime_now(format)` of a day at 00:00:00, with English names (protocol section 2).
 * @param day `YYYY-MM-DD`
 * @throws TemplateError for a format that is not a text, or has another directive than `%d %b %B %Y %m %H %M %S`
 */
export function formatDay(format: Value | undefined, day: string): string {
  if (typeof format !== 'string') throw new TemplateError('strftime_now() takes a format');
  const [year = '', month = '', date = ''] = day.split('-');
  const name = months[Number(month) - 1] ?? '';
  const parts: Readonly<Record<string, string>> = {
    d: date,
    b: name.slice(0, 3),
    B: name,
    Y: year,
    m: month,
    H: '00',
    M: '00',
    S: '00',
  };
  return format.replace(/%(.?)/gsu, (_, directive: string) => {
    const part = parts[directive];
    if (part === undefined) throw new TemplateError(`strftime_now() does not know '%${directive}'`);
    return part;
  });
}
