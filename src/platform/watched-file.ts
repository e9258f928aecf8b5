/**
 * A file that is read again when it changes: certificates, keys and passwords are replaced under a running process, in
 * Kubernetes by swapping a symbolic link, which file system events miss. So it is read every few seconds and compared.
 * A file that cannot be read, or whose new content is refused, leaves the last good one in force.
 */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';

const CHECK_INTERVAL_MS = 5_000;

export interface WatchLog {
  info(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/**
 * Reads the files and gives their contents to `use`; again, all of them, whenever one has changed.
 * Throws what reading or `use` throws the first time; later it is logged.
 * @returns ends the watch
 */
export function watchFiles(files: readonly string[], use: (contents: string[]) => void, log: WatchLog): () => void {
  let stopped = false;
  let current = files.map((file) => readFileSync(file, 'utf8'));
  use(current);
  let checking = false;
  const check = async (): Promise<void> => {
    // A read that hangs is waited for, so that what it read is not older than what is in force.
    if (checking) return;
    checking = true;
    try {
      const read = await Promise.all(files.map(async (file) => readFile(file, 'utf8')));
      if (stopped || read.every((content, index) => content === current[index])) return;
      current = read;
      use(read);
      log.info({ files }, 'files were read again');
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      log.error({ files, error: reason }, 'changed files cannot be used; the last good ones stay in force');
    } finally {
      checking = false;
    }
  };
  const timer = setInterval(() => void check(), CHECK_INTERVAL_MS).unref();
  return () => {
    stopped = true;
    clearInterval(timer);
  };
}
