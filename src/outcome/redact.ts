/**
 * The one redactor: removes secrets from a text that comes from outside before it is shown to a sender, in a log or on
 * a page. A gateway may quote the request that it was sent, with its signature and session token.
 */

const LONGEST = 300;
/** Longer texts are cut before they are examined. */
const LONGEST_READ = 4096;

/**
 * The beginning of a quoted signed request: headers, JSON, a query string or a canonical request. Nothing behind it is
 * shown.
 */
const QUOTED_REQUEST =
  /(?:authorization|signature|credential)(?:["'\\\]]|%22|&quot;|&#34;){0,4}\s{0,3}(?:[:=[]|%3[ad]|&#58;)\s{0,3}(?:["'\\[]|%22|&quot;|&#34;|%20|\+){0,4}(?=\S)|AWS4-HMAC-SHA256|x-amz-(?:security-token|signature|credential)|AWS4[A-Za-z0-9+/=]{8}|The Canonical String|The String-to-Sign/i;

/**
 * A name, and the value after `=` or `:`. Every repetition is bounded, since the text may be hostile. The text behind
 * our own `no AWS credentials:` is the reason and stays.
 */
const NAMED_SECRET =
  /(?<!\bno AWS )(credential|signature|authorization|cookie|token|secret|password|passwd|access_?key|api_?key)(?!\w{0,30}(?:Error|Exception)\b)(\w{0,20}["'\\]{0,3}\s{0,3}(?:[=:]|%3[AaDd])\s{0,3}[["'\\]{0,3})[^\s,;&"'<>\\]+/gi;

/** Base64, hex or percent-encoded text, with its continuation lines. Session tokens and signatures are longer. */
const LONG_RUN = /(?<![A-Za-z0-9+/=%])[A-Za-z0-9+/=%]{40,}(?:\r?\n[A-Za-z0-9+/=%]+)*/g;
/** Base64 for URLs, or a name. */
const LONG_URL_RUN = /(?<![\w-])[\w-]{40,}/g;
/**
 * A SHA-1 or SHA-256 as the whole value of a label, or as the digest of an image, is the sender's data. No secret that is
 * sent upstream has this form: a signature is written as `Signature=...`, and nothing after such a name is shown.
 */
const HASH = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;
const BEFORE_HASH = /(?:[{,]\s?[a-zA-Z_]\w{0,60}=\\?"|@sha256:|"sha256:)$/;
/** The rest of an ARN before a run: role names are long as well, and are needed to correct permissions. */
const WITHIN_ARN = /\barn:aws[\w:/+.@-]{0,160}$/;
/** Names within an ARN are shorter, session tokens are longer. */
const LONGEST_NAME = 128;

/**
 * Returns one line of at most `longest` characters, without control characters and without anything that could be a
 * token, a signature, a key or a password.
 */
export function redact(text: string, longest: number = LONGEST): string {
  const read = text.slice(0, LONGEST_READ);
  const quotedAt = read.search(QUOTED_REQUEST);
  const line = (quotedAt === -1 ? read : `${read.slice(0, quotedAt)}...`)
    .replaceAll(LONG_RUN, hiddenRun)
    .replaceAll(/\p{C}+/gu, ' ')
    .replaceAll(/\b(Bearer|Basic)\s+[^\s,;"'<>]+/gi, '$1 ...')
    .replaceAll(NAMED_SECRET, '$1$2...')
    .replaceAll(/\b(AKIA|ASIA)[A-Z0-9]{8,}/g, '$1...')
    .replaceAll(/\/\/[^\s/@]*@/g, '//...@')
    .replaceAll(LONG_URL_RUN, hiddenUrlRun)
    .replaceAll(/\s{2,}|[^\S ]/g, ' ')
    .trim();
  return line.length <= longest ? line : `${line.slice(0, longest - 1)}…`;
}

function hiddenRun(run: string, at: number, text: string): string {
  if (
    HASH.test(run) &&
    BEFORE_HASH.test(text.slice(Math.max(0, at - 66), at)) &&
    !/[0-9a-z]/i.test(text[at + run.length] ?? '')
  )
    return run;
  return run.length <= LONGEST_NAME && WITHIN_ARN.test(text.slice(Math.max(0, at - 170), at)) ? run : '...';
}

/** Names do not mix capitals, small letters and digits. */
function hiddenUrlRun(run: string, at: number, text: string): string {
  return /[A-Z]/.test(run) && /[a-z]/.test(run) && /\d/.test(run) ? hiddenRun(run, at, text) : run;
}
