/** Finds the files that a configuration names. Whether they exist depends on the machine, not on the configuration. */
import { accessSync, constants } from 'node:fs';
import type { Config } from './schema.ts';

/** Returns one line for each file that cannot be read here: setting, path, cause and remedy. */
export function unreadableFiles({ server, remote_write }: Config): string[] {
  const named: [string, string | undefined][] = [
    ...Object.entries(server.tls ?? {}).map(([key, file]): [string, string | undefined] => [`server.tls.${key}`, file]),
    ...Object.entries(server.query_tls ?? {}).map(([key, file]): [string, string | undefined] => [
      `server.query_tls.${key}`,
      file,
    ]),
    ['server.auth.bearer_token_file', server.auth?.bearer_token_file],
    ['server.auth.basic_auth_file', server.auth?.basic_auth_file],
    ['server.query_auth.bearer_token_file', server.query_auth?.bearer_token_file],
    ['server.query_auth.basic_auth_file', server.query_auth?.basic_auth_file],
    ...remote_write.map(({ name, tls_config }): [string, string | undefined] => [
      `tls_config.ca_file of remote_write ${name}`,
      tls_config.ca_file,
    ]),
  ];
  return named.flatMap(([setting, file]) => {
    if (file === undefined) return [];
    try {
      accessSync(file, constants.R_OK);
      return [];
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
      return [`${setting} is ${file}, which cannot be read here (${code}); mount it, or correct the path`];
    }
  });
}
