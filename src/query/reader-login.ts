/** Who may read: server.query_auth, checked before a reader is told which routes and entries there are. */
import { remoteAddress } from '../platform/listening.ts';
import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Authenticator } from '../receive/access/auth.ts';
import { headersOf, httpAnswer } from '../outcome/http-answer.ts';
import { refusalOf } from '../receive/access/login-refusal.ts';
import { RecurringLog } from '../platform/recurring-log.ts';
import type { QueryFailure } from './failure.ts';

export interface DeniedReader {
  readonly reason: 'unauthorized' | 'too_many_logins';
  readonly failure: QueryFailure;
}

interface LoginLog {
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export class ReaderLogin {
  readonly #auth: Authenticator;
  readonly #nowMs: () => number;
  readonly #log: LoginLog;
  readonly #warnings: RecurringLog;

  constructor(auth: Authenticator, log: LoginLog, nowMs: () => number) {
    this.#auth = auth;
    this.#nowMs = nowMs;
    this.#log = log;
    this.#warnings = new RecurringLog((fields, message) => log.warn(fields, message), nowMs);
  }

  /** @returns what to tell the reader; undefined when it may read */
  async deny({ headers, socket }: IncomingMessage): Promise<DeniedReader | undefined> {
    const auth = this.#auth;
    const address = remoteAddress(socket);
    let result = auth.tryCheck(headers.authorization, this.#nowMs());
    if (result === undefined) {
      try {
        result = await auth.check(headers.authorization, this.#nowMs(), address);
      } catch (error) {
        result = 'busy';
        this.#log.error({ error: String(error) }, 'a password could not be checked');
      }
    }
    if (result === 'allowed') return undefined;
    if (result === 'refused') {
      this.#warnings.warn('unauthorized', { reader: address }, 'server.query_auth does not know a reader');
    }
    const waitMs = auth.refuse(result, address, this.#nowMs());
    if (waitMs > 0) await sleep(waitMs, undefined, { ref: false });
    const refusal = refusalOf(result, auth.scheme);
    const { status, reason } = refusal;
    const message =
      status === 401
        ? 'server.query_auth of the proxy does not know this reader; check the authorization of its data source'
        : 'too many logins at once';
    return {
      reason,
      failure: {
        status,
        errorType: status === 401 ? 'unauthorized' : 'unavailable',
        message,
        headers: headersOf(httpAnswer(refusal)) ?? {},
      },
    };
  }
}
