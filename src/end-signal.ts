/** The signals that ask a process to end. */

/** Resolves with the first of them; another one ends the process at once. */
export async function endSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    process.once('SIGTERM', resolve);
    process.once('SIGINT', resolve);
  });
}
