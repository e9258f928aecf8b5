// Tools beside each other in turns: several processes of each, all there at the same time, loaded one after the other
// for a moment each. What the machine does to one of them it does to all; and since two processes of one and the same
// program may differ by several percent, for as long as they live, one of each says little.
import { mkdtempSync } from 'node:fs';
import path from 'node:path';
import { threadSeconds } from '../rig/proc-stat.ts';
import { startRig, type Rig } from '../rig/rig.ts';
import type { Row } from '../rig/rows.ts';
import { median } from '../figures/summary.ts';
import type { RunningTool, Tool } from '../rig/tool.ts';

export type Turns = {
  /** Processes of each tool. */
  readonly processes: number;
  /** The number of turns of each process. */
  readonly turns: number;
  readonly turnMs: number;
  readonly warmUpMs: number;
};

/** CPU seconds per request for each process, as the median of its turns. */
export type TurnFigures = readonly number[];

type Place = { readonly rig: Rig; readonly tool: RunningTool; readonly figures: number[] };

/** The figures of each tool, in their order. Throws when a request fails. */
export async function measureInTurns(
  row: Row,
  tools: readonly Tool[],
  { processes, turns, turnMs, warmUpMs }: Turns,
  bodyFile: string,
  directory: string,
): Promise<TurnFigures[]> {
  const stops: (() => Promise<void>)[] = [];
  try {
    const places: Place[][] = tools.map(() => []);
    for (let process = 0; process < processes; process += 1) {
      for (const [index, tool] of tools.entries()) {
        const place = await startPlace(row, tool, bodyFile, directory, stops);
        await load(place, warmUpMs);
        places[index]?.push(place);
      }
    }
    const all = Array.from({ length: processes }, (_, process) => places.map((of) => of[process])).flat();
    for (let turn = 0; turn < turns; turn += 1) {
      for (const place of turn % 2 === 0 ? all : all.toReversed()) {
        if (place !== undefined) place.figures.push(await load(place, turnMs));
      }
    }
    return places.map((of) => of.map(({ figures }) => median(figures)));
  } finally {
    for (const stop of stops.toReversed()) await stop();
  }
}

async function startPlace(
  row: Row,
  tool: Tool,
  bodyFile: string,
  directory: string,
  stops: (() => Promise<void>)[],
): Promise<Place> {
  const own = mkdtempSync(path.join(directory, 'run-'));
  const rig = await startRig(row, tool, bodyFile, undefined, own, stops);
  if (rig.tool === undefined) throw new Error(`${tool.name} did not start`);
  return { rig, tool: rig.tool, figures: [] };
}

/** CPU seconds of the tool for each request. */
async function load({ rig, tool }: Place, durationMs: number): Promise<number> {
  const before = threadSeconds(tool.program.pid);
  const { requests, failed } = await rig.load.ask({ durationMs }, durationMs + 60_000);
  const seconds = threadSeconds(tool.program.pid) - before;
  if (requests === 0 || Object.keys(failed).length > 0) {
    throw new Error(`requests failed (${JSON.stringify(failed)}); the tool's last words:\n${tool.program.output()}`);
  }
  return seconds / requests;
}
