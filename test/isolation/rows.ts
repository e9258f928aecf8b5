/**
 * The table of poison: what the upstream answers to a culprit's data, how the culprit sends, how many good senders
 * there are, and how often they send. Rows are data; row-stage.ts plays one.
 */
import { POISON_ANSWERS, type PoisonAnswer } from './answers.ts';

export const SHAPES = ['alone', 'joined', 'same-address', '50-connections', 'two-culprits', 'stops'] as const;
/**
 * - alone: the culprit has a `cluster` and `__replica__` of its own, so that its requests are joined with nobody's
 * - joined: its requests may be joined with the good senders'
 * - same-address: as joined, and all of them send from one address (NAT)
 * - 50-connections: as joined, the culprit with 50 connections
 * - two-culprits: as joined, two of them at two addresses
 * - stops: as joined, and the culprit sends nothing any more after `STOPS_AFTER_MS`
 */
export type Shape = (typeof SHAPES)[number];

export const GOOD_SENDERS = [1, 6, 30] as const;
export type GoodSenders = (typeof GOOD_SENDERS)[number];

export const DENSITIES = ['sparse', 'dense'] as const;
/** sparse: all at once, each 5 s, as after a scrape. dense: the next request as soon as the last one is answered. */
export type Density = (typeof DENSITIES)[number];

export interface Row {
  readonly name: string;
  /** Undefined in a row without a culprit, which the others of its form are compared with. */
  readonly poison: { readonly answer: PoisonAnswer; readonly shape: Shape } | undefined;
  readonly good: GoodSenders;
  readonly density: Density;
}

function rowOf(answer: PoisonAnswer, shape: Shape, good: GoodSenders, density: Density): Row {
  return { name: `${answer.name} ${shape} ${good} ${density}`, poison: { answer, shape }, good, density };
}

export function baselineOf({ good, density }: Pick<Row, 'good' | 'density'>): Row {
  return { name: `no-culprit - ${good} ${density}`, poison: undefined, good, density };
}

/** Every combination. */
export const ALL_ROWS: readonly Row[] = POISON_ANSWERS.flatMap((answer) =>
  SHAPES.flatMap((shape) =>
    GOOD_SENDERS.flatMap((good) => DENSITIES.map((density) => rowOf(answer, shape, good, density))),
  ),
);

/** The rows for CI: every answer with every shape, and within that every pair of values of any two columns. */
export const PAIRWISE_ROWS: readonly Row[] = POISON_ANSWERS.flatMap((answer, a) =>
  SHAPES.map((shape, s) => {
    const good = GOOD_SENDERS[(a + s) % GOOD_SENDERS.length] ?? 1;
    const density = DENSITIES[(a + s + Math.floor(s / 3)) % DENSITIES.length] ?? 'sparse';
    return rowOf(answer, shape, good, density);
  }),
);

/** The rows without a culprit that these are compared with. */
export function baselinesOf(rows: readonly Row[]): Row[] {
  const byName = new Map(rows.map((row) => baselineOf(row)).map((row) => [row.name, row]));
  return [...byName.values()];
}
