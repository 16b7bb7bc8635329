import type { Figures, Scenario } from './scenarios/scenario.js';

/** What was found of each server, in a table of text: medians, and how each compares with the first server. */
export function table({ name, lead }: Scenario, found: ReadonlyMap<string, readonly Figures[]>): string {
  const servers = [...found.keys()];
  const first = found.get(servers[0] ?? '');
  const names = [...new Set([...found.values()].flatMap((rounds) => Object.keys(rounds[0] ?? {})))];
  const rows = servers.map((server) => {
    const rounds = found.get(server) ?? [];
    const cells = names.flatMap((figure) => {
      const values = valuesOf(rounds, figure);
      const middle = median(values);
      const cell = figure === lead && values.length > 1 ? `${show(middle)} ${spread(values)}` : show(middle);
      return isCompared(figure) ? [cell, ratio(middle, median(valuesOf(first ?? [], figure)))] : [cell];
    });
    return [server, ...cells];
  });
  const head = [name, ...names.flatMap((figure) => (isCompared(figure) ? [figure, 'ratio'] : [figure]))];
  return `${align([head, ...rows])}\n`;
}

function isCompared(figure: string): boolean {
  return !figure.endsWith('%');
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length / 2;
  return sorted.length % 2 === 1
    ? (sorted[Math.floor(middle)] ?? NaN)
    : ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2;
}

function valuesOf(rounds: readonly Figures[], figure: string): number[] {
  return rounds.map((figures) => figures[figure] ?? NaN);
}

function spread(values: readonly number[]): string {
  return `(${show(Math.min(...values))}-${show(Math.max(...values))})`;
}

function ratio(value: number, toThis: number): string {
  return `x${(value / toThis).toFixed(2)}`;
}

function show(value: number): string {
  if (!Number.isFinite(value)) return '-';
  return Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(2);
}

function align(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const cellOf = (cell: string, column: number) => {
    const width = widths[column] ?? 0;
    return column === 0 ? cell.padEnd(width) : cell.padStart(width);
  };
  return rows.map((row) => row.map(cellOf).join('  ')).join('\n');
}
