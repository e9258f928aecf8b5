/**
 * The one redactor: what may be shown of a text that comes from outside, to a sender, in a log or on a page. A gateway
 * on the way may quote the request that it was sent, with its signature and session token.
 */

const LONGEST = 300;
/** Longer texts are cut before they are looked at. */
const LONGEST_READ = 4096;

/**
 * Where the quotation of a signed request begins, as headers, JSON, a query string or a canonical request. From there on
 * nothing is shown.
 */
const QUOTED_REQUEST =
  /(?:authorization|signature|credential)(?:["'\\\]]|%22|&quot;|&#34;){0,4}\s{0,3}(?:[:=[]|%3[ad]|&#58;)\s{0,3}(?:["'\\[]|%22|&quot;|&#34;|%20|\+){0,4}(?=\S)|AWS4-HMAC-SHA256|x-amz-(?:security-token|signature|credential)|AWS4[A-Za-z0-9+/=]{8}|The Canonical String|The String-to-Sign/i;

/**
 * A name, and the value after `=` or `:`. Every repetition is bounded, for the text may be hostile. What follows our own
 * `no AWS credentials:` is why.
 */
const NAMED_SECRET =
  /(?<!\bno AWS )(credential|signature|authorization|cookie|token|secret|password|passwd|access_?key|api_?key)(?!\w{0,30}(?:Error|Exception)\b)(\w{0,20}["'\\]{0,3}\s{0,3}(?:[=:]|%3[AaDd])\s{0,3}[["'\\]{0,3})[^\s,;&"'<>\\]+/gi;

/** Base64, hex or percent-encoded, with the lines that go on from it. Session tokens and signatures are longer. */
const LONG_RUN = /(?<![A-Za-z0-9+/=%])[A-Za-z0-9+/=%]{40,}(?:\r?\n[A-Za-z0-9+/=%]+)*/g;
/** Base64 for URLs, or a name. */
const LONG_URL_RUN = /(?<![\w-])[\w-]{40,}/g;
/** The rest of an ARN before a run: names of roles are long as well, and whoever mends permissions needs them. */
const WITHIN_ARN = /\barn:aws[\w:/+.@-]{0,160}$/;
/** Names within an ARN are shorter, session tokens are longer. */
const LONGEST_NAME = 128;

/**
 * One line without control characters, without anything that could be a token, a signature, a key or a password, and no
 * longer than `longest` characters.
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
  return run.length <= LONGEST_NAME && WITHIN_ARN.test(text.slice(Math.max(0, at - 170), at)) ? run : '...';
}

/** Names do not mix capitals, small letters and digits. */
function hiddenUrlRun(run: string, at: number, text: string): string {
  return /[A-Z]/.test(run) && /[a-z]/.test(run) && /\d/.test(run) ? hiddenRun(run, at, text) : run;
}
