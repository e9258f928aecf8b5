/**
 * Keys that the schema knows and nothing serves yet: refused, so that nobody believes to be protected.
 * Whoever builds one deletes its lines here, and with the last of them this file.
 */
import type { KeyPath, Problem } from './problem.ts';
import type { ServerConfig } from './schema.ts';

export function refuseNotYetBuilt(server: ServerConfig, isSound: (path: KeyPath) => boolean): Problem[] {
  const problems: Problem[] = [];
  if (server.workers !== 1 && isSound(['server', 'workers'])) {
    problems.push({
      path: ['server', 'workers'],
      message: `${server.workers} is not yet built, only 1 is; remove it, and run more replicas`,
    });
  }
  return problems;
}
