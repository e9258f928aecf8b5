// Least squares without negative coefficients: a cost below nothing is noise, so its term is left out instead.
// For the few terms that the bench fits, every subset of them is tried, which is exact and short.

/**
 * The coefficients, none below 0, whose sums over each row of `features` come nearest to `targets`.
 * Throws when there are fewer rows than terms, or when the rows do not tell the terms apart.
 */
export function nonNegativeLeastSquares(
  features: readonly (readonly number[])[],
  targets: readonly number[],
): readonly number[] {
  const terms = features[0]?.length ?? 0;
  if (features.length < terms) throw new Error(`${features.length} rows cannot tell ${terms} terms apart`);
  let best: number[] | undefined;
  let least = Infinity;
  for (let subset = 1; subset < 2 ** terms; subset += 1) {
    const kept = Array.from({ length: terms }, (_, term) => term).filter((term) => (subset >> term) & 1);
    const solution = solveNormalEquations(
      features.map((row) => kept.map((term) => row[term] ?? 0)),
      targets,
    );
    if (solution === undefined || solution.some((value) => !(value >= 0))) continue;
    const all = Array.from({ length: terms }, (_, term) => solution[kept.indexOf(term)] ?? 0);
    const residual = squaredResidual(features, targets, all);
    // A larger subset has to be truly better, so that a term which adds nothing stays out.
    if (residual < least * (1 - 1e-9)) {
      least = residual;
      best = all;
    }
  }
  if (best === undefined) throw new Error('no coefficients without a negative one fit these rows');
  return best;
}

export function dot(row: readonly number[], coefficients: readonly number[]): number {
  return row.reduce((sum, value, index) => sum + value * (coefficients[index] ?? 0), 0);
}

function squaredResidual(
  features: readonly (readonly number[])[],
  targets: readonly number[],
  coefficients: readonly number[],
): number {
  return features.reduce((sum, row, index) => sum + (dot(row, coefficients) - (targets[index] ?? 0)) ** 2, 0);
}

/** Gauss elimination of the normal equations, each column scaled to length 1 first; undefined when they are singular. */
function solveNormalEquations(
  rows: readonly (readonly number[])[],
  targets: readonly number[],
): readonly number[] | undefined {
  const terms = rows[0]?.length ?? 0;
  const scales = Array.from({ length: terms }, (_, term) => Math.hypot(...rows.map((row) => row[term] ?? 0)));
  const at = (row: readonly number[], term: number): number => (row[term] ?? 0) / (scales[term] ?? 1);
  const matrix = Array.from({ length: terms }, (_, i) => [
    ...Array.from({ length: terms }, (__, j) => rows.reduce((sum, row) => sum + at(row, i) * at(row, j), 0)),
    rows.reduce((sum, row, index) => sum + at(row, i) * (targets[index] ?? 0), 0),
  ]);
  for (let pivot = 0; pivot < terms; pivot += 1) {
    const largest = matrix
      .slice(pivot)
      .reduce(
        (found, row, index) =>
          Math.abs(row[pivot] ?? 0) > Math.abs(matrix[found]?.[pivot] ?? 0) ? pivot + index : found,
        pivot,
      );
    [matrix[pivot], matrix[largest]] = [matrix[largest] ?? [], matrix[pivot] ?? []];
    const line = matrix[pivot] ?? [];
    if (!(Math.abs(line[pivot] ?? 0) > 1e-10)) return undefined;
    for (const [index, row] of matrix.entries()) {
      if (index === pivot) continue;
      const factor = (row[pivot] ?? 0) / (line[pivot] ?? 1);
      for (let column = pivot; column <= terms; column += 1)
        row[column] = (row[column] ?? 0) - factor * (line[column] ?? 0);
    }
  }
  return matrix.map((row, term) => (row[terms] ?? 0) / (row[term] ?? 1) / (scales[term] ?? 1));
}
