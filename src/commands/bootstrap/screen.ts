/** Text for people, in 80 columns. */

/** One less than a terminal's 80: the last column wraps on some. */
const WIDTH = 79;

/** Wraps at blanks, else behind / : or , and at last anywhere. Lines after the first are indented by `hanging`. */
export function wrap(text: string, indent = '', hanging = indent): string {
  return text
    .split('\n')
    .map((line, index) => wrapLine(line, index === 0 ? indent : hanging, hanging))
    .join('\n');
}

function wrapLine(text: string, indent: string, hanging: string): string {
  const lines: string[] = [];
  let rest = indent + text;
  while (rest.length > WIDTH) {
    const at = breakAt(rest, hanging.length);
    lines.push(rest.slice(0, at).trimEnd());
    rest = hanging + rest.slice(at).trimStart();
  }
  lines.push(rest);
  return lines.join('\n');
}

function breakAt(line: string, from: number): number {
  const head = line.slice(0, WIDTH);
  const lead = Math.max(from, head.length - head.trimStart().length) + 1;
  const blank = head.lastIndexOf(' ');
  if (blank > lead) return blank + 1;
  const mark = Math.max(...['/', ':', ','].map((sign) => head.lastIndexOf(sign)));
  return mark > lead ? mark + 1 : WIDTH;
}

/** `label` in a column, `text` beside it. */
export function row(sign: string, label: string, text: string): string {
  return wrap(text, `  ${sign} ${label.padEnd(16)} `, ' '.repeat(21));
}

/** A line of a diff, `+ ` or `- ` first, wrapped so that the sign stands alone in its column. */
export function diffLine(line: string): string {
  const depth = /^[-+ ] */u.exec(line)?.[0].length ?? 2;
  return wrap(line, '      ', ' '.repeat(6 + depth + 2));
}
