/** Lines of headers, as both sides of HTTP/1.1 write them. Texts are Latin-1. */

/** What a name is made of, for a regular expression. https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2 */
export const TOKEN: string = String.raw`[!#$%&'*+.^_\x60|~\dA-Za-z-]+`;
/** What a value is made of: no CR, LF or other controls. */
export const TEXT: string = String.raw`[\t\x20-\x7e\x80-\xff]*`;

/**
 * The part of a text without the blanks around it; no other white space is any, which String.trim does not know.
 * https://www.rfc-editor.org/rfc/rfc9110#section-5.5
 */
export function fieldValue(text: string, from: number, to: number): string {
  let start = from;
  let end = to;
  while (start < end && isBlank(text.charCodeAt(start))) start += 1;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
