/** A table of Markdown: the first column to the left, the others to the right but for one without a head, for remarks. */
export function markdownTable(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const hasRemarks = rows.some((row) => (row[heads.length - 1] ?? '') !== '' || heads.at(-1) !== '');
  const columns = hasRemarks ? heads.length : heads.length - 1;
  const rule = heads.map((head, index) => (index === 0 || head === '' ? '---' : '---:'));
  return [heads, rule, ...rows].map((cells) => `| ${cells.slice(0, columns).join(' | ')} |`).join('\n');
}
