/** The RequestError that an action throws; anything else fails the test. */
import { RequestError } from '../../src/outcome/errors.ts';

export function requestErrorOf(action: () => unknown): RequestError {
  try {
    action();
  } catch (error) {
    if (error instanceof RequestError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}
