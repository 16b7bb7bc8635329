/** Characters of a text that is a long one. */
const LONG = 40_000;

/** What is sent for a text: of one in fifty far more, so that stores and sockets have as much to do as with what users send. */
export function padded(text: string): string {
  return /[38]7$/.test(text) ? `${text} `.padEnd(LONG, 'x') : text;
}

/** Of what came, the text that it was sent for; something that nobody sent where it did not come whole. */
export function unpadded(sent: string): string {
  const [text = ''] = sent.split(' ', 1);
  return padded(text) === sent ? text : `damaged: ${sent.slice(0, 100)}`;
}
