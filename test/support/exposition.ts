/** Reads the text exposition format of Prometheus (https://prometheus.io/docs/instrumenting/exposition_formats/). */
export interface MetricSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;

export class Exposition {
  readonly text: string;
  readonly samples: readonly MetricSample[];

  constructor(text: string) {
    this.text = text;
    this.samples = text
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map(readLine);
  }

  /** Returns the sum of all samples of this name that have these labels; 0 if there are none. */
  sum(name: string, labels: Readonly<Record<string, string>> = {}): number {
    let sum = 0;
    for (const sample of this.samples) {
      if (sample.name !== name) continue;
      if (Object.entries(labels).every(([label, value]) => sample.labels[label] === value)) sum += sample.value;
    }
    return sum;
  }

  names(): ReadonlySet<string> {
    return new Set(this.samples.map(({ name }) => name));
  }
}

function readLine(line: string): MetricSample {
  const match = LINE.exec(line);
  if (match === null) throw new Error(`not a line of the exposition format: ${line}`);
  const [, name = '', labelText = '', valueText = ''] = match;
  const labels: Record<string, string> = {};
  for (const [, label = '', value = ''] of labelText.matchAll(LABEL)) {
    labels[label] = value.replaceAll(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped));
  }
  return { name, labels, value: valueText === '+Inf' ? Infinity : Number(valueText) };
}
