/** Plays rows side by side, as many as the machine carries, baselines first, and judges each with its baseline. */
import { availableParallelism } from 'node:os';
import { baselineOf, baselinesOf, type Row } from './rows.ts';
import { RowStage } from './row-stage.ts';
import { judgeRow, type RowFigures } from './verdict.ts';

/** The rows that one core carries side by side: 8 dense ones of one good sender. */
const CAPACITY_PER_CORE = 8;
/** Processes that may be starting side by side. */
const STARTS_AT_ONCE = 2;

/** The figures of each row, as they come. Nothing is played before the first is asked for. */
export class RowPool {
  readonly #figures = new Map<string, Promise<RowFigures>>();
  readonly #waiting: (() => void)[] = [];
  readonly #rows: readonly Row[];
  readonly #capacity: number;
  #used = 0;
  #starting = 0;

  constructor(rows: readonly Row[], capacity: number = CAPACITY_PER_CORE * availableParallelism()) {
    this.#rows = rows;
    this.#capacity = capacity;
  }

  /** Rejects when the row cannot be played. */
  async figuresOf(row: Row): Promise<RowFigures> {
    if (this.#figures.size === 0) this.#start();
    const figures = this.#figures.get(row.name);
    if (figures === undefined) throw new Error(`there is no row ${row.name}`);
    return figures;
  }

  #start(): void {
    for (const row of [...baselinesOf(this.#rows), ...this.#rows]) {
      const figures = this.#run(row);
      // It is looked at later.
      figures.catch(() => undefined);
      this.#figures.set(row.name, figures);
    }
  }

  async #run(row: Row): Promise<RowFigures> {
    const cost = Math.min(costOf(row), this.#capacity);
    while (!this.#tryEnter(cost)) await new Promise<void>((resolve) => void this.#waiting.push(resolve));
    try {
      const stage = await RowStage.open(row).finally(() => {
        this.#starting -= 1;
        this.#wake();
      });
      const played = await stage.play();
      const baseline = row.poison === undefined ? undefined : await this.#figures.get(baselineOf(row).name);
      return judgeRow(played, baseline?.p99Ms);
    } finally {
      this.#used -= cost;
      this.#wake();
    }
  }

  #tryEnter(cost: number): boolean {
    if (this.#used + cost > this.#capacity || this.#starting >= STARTS_AT_ONCE) return false;
    this.#used += cost;
    this.#starting += 1;
    return true;
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

function costOf({ density, good, poison }: Row): number {
  const culprits = poison?.shape === '50-connections' ? 2 : 0;
  if (density === 'sparse') return 0.5 + culprits / 4;
  return (good === 30 ? 3 : good === 6 ? 2 : 1) + culprits;
}
