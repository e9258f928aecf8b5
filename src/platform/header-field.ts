/** Lines of headers, as both sides of HTTP/1.1 write them. Texts are Latin-1. */

/** The characters of a field name, as a regular expression. https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2 */
export const TOKEN: string = String.raw`[!#$%&'*+.^_\x60|~\dA-Za-z-]+`;
/** The characters of a field value: no CR, LF or other controls. */
export const TEXT: string = String.raw`[\t\x20-\x7e\x80-\xff]*`;

/**
 * Returns a part of a text without the blanks around it. Only spaces and tabs count as blanks, whereas String.trim
 * removes more. https://www.rfc-editor.org/rfc/rfc9110#section-5.5
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
