/**
 * Starts a command of the image from its tree: `/app/...` is read below the tree's root, as the Dockerfile's user where
 * this process may change users, and by Node's own permissions with no file that it may write.
 */
import path from 'node:path';
import { startChild, type Child } from '../support/processes.ts';
import { lastOf, pairsOf } from './dockerfile.ts';
import type { ImageTree } from './image-tree.ts';

/** Reading and the network are granted, writing, child processes and addons are not. */
const READ_ONLY = ['--permission', '--allow-fs-read=*', '--allow-net'];

export function startInImage(
  { root, stage }: ImageTree,
  command: readonly string[],
  env: Record<string, string> = {},
): Child {
  const [program = '', ...args] = command.map((word) => (word.startsWith('/app/') ? path.join(root, word) : word));
  if (program !== 'node') throw new Error(`${program} is not node`);
  const [uid, gid] = lastOf(stage, 'USER').split(':').map(Number);
  const own = process.getuid?.();
  const asUser = own === 0 ? ['--reuid', String(uid), '--regid', String(gid), '--clear-groups'] : [];
  const node = [process.execPath, ...READ_ONLY, ...args];
  const [first = '', ...rest] = own === 0 ? ['setpriv', ...asUser, ...node] : node;
  return startChild('image', first, rest, {
    cwd: path.join(root, lastOf(stage, 'WORKDIR')),
    env: { HOME: '/nonexistent', TMPDIR: '/nonexistent', ...pairsOf(stage, 'ENV'), ...env },
  });
}
