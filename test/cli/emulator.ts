import Unicode11 from '@xterm/addon-unicode11';
import Headless from '@xterm/headless';

/** xterm's own emulator, which knows how wide characters are. */
export function emulator(columns: number, rows: number): Headless.Terminal {
  const terminal = new Headless.Terminal({ cols: columns, rows, scrollback: 5_000, allowProposedApi: true });
  terminal.loadAddon(new Unicode11.Unicode11Addon());
  terminal.unicode.activeVersion = '11';
  return terminal;
}

/** What one sees, and what has scrolled out at the top, without the empty rows at the end. */
export function rowsOf(terminal: Headless.Terminal): string[] {
  const { active } = terminal.buffer;
  const rows = Array.from({ length: active.length }, (_, y) => active.getLine(y)?.translateToString(true) ?? '');
  while (rows.at(-1)?.trimEnd() === '') rows.pop();
  return rows.map((row) => row.trimEnd());
}
