/**
 * `${VAR}` and `${VAR:-default}` inside a scalar; `$$` is a plain `$`, and a `$` before anything else stands for
 * itself.
 *
 * It works on scalars that YAML has already parsed, never on the file's text, so that a value from the environment
 * can hold any character and still be one value.
 */
export type Environment = Readonly<Record<string, string | undefined>>;

export interface Expansion {
  readonly text: string;
  /** True if part of the text came from the environment: it may then be secret and must not be shown. */
  readonly expanded: boolean;
  /** Predicates, as in `names the variable X, ...`. */
  readonly problems: readonly string[];
}

const REFERENCE = /\$(?:(\$)|\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|(\{[^}]*\}?))/g;

export function expandEnvironment(source: string, env: Environment): Expansion {
  const problems: string[] = [];
  let expanded = false;
  const text = source.replace(
    REFERENCE,
    (whole: string, dollar?: string, name?: string, preset?: string, malformed?: string) => {
      if (dollar !== undefined) return '$';
      if (malformed !== undefined) {
        problems.push(
          `holds ${whole}, which is not a variable; write \${NAME} or \${NAME:-default}, or $$ for a plain $`,
        );
        return '';
      }
      expanded = true;
      const value = name === undefined ? undefined : env[name];
      // `:-` stands in for an empty variable too, as in a shell.
      if (preset !== undefined && (value === undefined || value === '')) return preset;
      if (value !== undefined) return value;
      problems.push(
        `names the variable ${name}, which is not set; set it, or give a default as in \${${name}:-default}`,
      );
      return '';
    },
  );
  return { text, expanded, problems };
}
