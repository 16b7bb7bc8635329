/**
 * What a terminal would obey or not show: control characters (the C1 ones too, which some terminals take for escape
 * sequences), format characters such as those that turn the direction of writing, line and paragraph separators, halves of
 * surrogate pairs. Not the joiners that scripts and emoji need, nor the tabulator.
 */
const UNSAFE = /(?![\t\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** Text from others with everything in it made visible: `␛` for an escape, `\u{202e}` for what has no picture. */
export function visible(text: string): string {
  return text.replace(UNSAFE, (character) => {
    const code = character.codePointAt(0) ?? 0;
    if (code < 0x20) return String.fromCodePoint(0x2400 + code);
    return code === 0x7f ? '␡' : `\\u{${code.toString(16)}}`;
  });
}

/** A value as JSON on one line, in which the same is said without a character that a terminal would obey. */
export function visibleJson(value: unknown): string {
  return JSON.stringify(value).replace(UNSAFE, (character) =>
    [...Array(character.length).keys()]
      .map((at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`)
      .join(''),
  );
}
