/**
 * Makes AWS's messages fit to be shown: one sentence or two, and nothing secret.
 *
 * The answer to a wrong signature holds the canonical request, session token and all; errors of XML and JSON services
 * come as one line or as a body.
 */
import { z } from 'zod';

const MAX_CHARACTERS = 400;

const bodySchema = z.looseObject({ message: z.string().optional(), Message: z.string().optional() });

export function shownWords(text: string): string {
  const message = messageOfBody(text) ?? text;
  const [head = ''] = message.trim().split(/\n|The Canonical String|The String-to-Sign/u);
  // A run longer than any name or ARN is a token or a signature.
  const safe = head.replaceAll(/[\w+/=%-]{150,}/gu, '...').trim();
  return safe.length > MAX_CHARACTERS ? `${safe.slice(0, MAX_CHARACTERS)}...` : safe;
}

/** REST-JSON services answer `{"message": ...}`, cut off where it is long. */
function messageOfBody(text: string): string | undefined {
  if (!text.startsWith('{')) return undefined;
  try {
    const body = bodySchema.safeParse(JSON.parse(text)).data;
    return body?.message ?? body?.Message;
  } catch {
    return /^\{"[mM]essage":"(.*?)(?:\\n|"|$)/u.exec(text)?.[1];
  }
}
