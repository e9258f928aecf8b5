/**
 * Turns findings into sentences: place in the file, key, value as it stands there, problem, remedy.
 *
 * Values are shown as the file has them, so that `${DB_PASSWORD}` in the wrong place never prints its value; values of
 * secret keys are not shown at all.
 */
import type { z } from 'zod';

import { unknownKeyMessage } from './known-keys.ts';
import { formatKeyPath, type KeyPath, type Problem } from './problem.ts';
import { hideUserinfo, isSecret, isUrlKey } from './redact.ts';
import { keyOf, type Place, type Places } from './yaml-reader.ts';

type Issue = z.core.$ZodIssue;

/** Returns one problem for each issue that the schema found. */
export function problemsOfIssues(issues: readonly Issue[]): Problem[] {
  return issues.flatMap((issue) => {
    // zod's type allows symbols, but keys are text and list numbers only.
    const path = issue.path.filter((part) => typeof part !== 'symbol');
    if (issue.code !== 'unrecognized_keys') return [{ path, message: issue.message, showValue: true }];
    return issue.keys.map((key) => ({ path: [...path, key], message: unknownKeyMessage(path, key) }));
  });
}

/** Returns sentences in the order of the file; a key that is missing is reported where its section stands. */
export function sentencesOf(problems: readonly Problem[], places: Places, fileName: string): string[] {
  return problems
    .map((problem) => ({ problem, place: nearestPlace(problem.path, places) }))
    .toSorted((a, b) => positionOf(a.place) - positionOf(b.place))
    .map(({ problem, place }) => {
      const where = place === undefined ? fileName : `${fileName}:${place.line}:${place.column}`;
      const key = formatKeyPath(problem.path);
      const value = problem.showValue === true ? shownValue(problem.path, places) : '';
      return `${where}: ${key}${value} ${problem.message}`;
    });
}

function positionOf(place: Place | undefined): number {
  return place === undefined ? 0 : place.line * 100_000 + place.column;
}

function nearestPlace(path: KeyPath, places: Places): Place | undefined {
  for (let length = path.length; length > 0; length -= 1) {
    const place = places.get(keyOf(path.slice(0, length)));
    if (place !== undefined) return place;
  }
  return undefined;
}

function shownValue(path: KeyPath, places: Places): string {
  const place = places.get(keyOf(path));
  if (place?.source === undefined || place.source === '' || isSecret(path)) return '';
  const source = isUrlKey(path.at(-1)) ? hideUserinfo(place.source) : place.source;
  return ` ${JSON.stringify(source)}${place.fromEnvironment ? ' (from the environment)' : ''}`;
}
