/**
 * What a terminal of so many columns shows after these bytes: as much of a VT100 as readline uses. Throws for a sequence that
 * it does not know, so that a test does not pass by luck.
 */
export function screenOf(output: string, columns: number): string[] {
  const rows: string[][] = [[]];
  let row = 0;
  let column = 0;
  const sequences = /\x1b\[(\d*)(?:;\d+)?([A-Za-z])|\x1b.|[^]/gu; // eslint-disable-line no-control-regex
  for (const [text, digits, command] of output.matchAll(sequences)) {
    const count = digits ? Number(digits) : 1;
    switch (command === undefined ? text : `CSI ${command}`) {
      case 'CSI A':
        row = Math.max(0, row - count);
        break;
      case 'CSI C':
        column = Math.min(columns - 1, column + count);
        break;
      case 'CSI D':
        column = Math.max(0, column - count);
        break;
      case 'CSI G':
        column = count - 1;
        break;
      case 'CSI J':
        rows.length = row + 1;
        rows[row]?.splice(column);
        break;
      case 'CSI K':
        rows[row]?.splice(column);
        break;
      case '\r':
        column = 0;
        break;
      case '\n':
        rows[++row] ??= [];
        break;
      default: {
        if (command !== undefined || text < ' ') throw new Error(`unknown to this terminal: ${JSON.stringify(text)}`);
        // Only the character behind the last column goes to the next row, as on any terminal of today.
        if (column === columns) {
          column = 0;
          rows[++row] ??= [];
        }
        const cells = (rows[row] ??= []);
        while (cells.length < column) cells.push(' ');
        cells[column++] = text;
      }
    }
  }
  return rows.map((cells) => cells.join('').trimEnd());
}
