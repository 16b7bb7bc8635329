/** A request, as far as curl must know of it. */
export interface CurlRequest {
  readonly method: string;
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Whether it takes the token of a session, which is shown to nobody: the shell is to have it as $TOKEN. */
  readonly signedIn?: boolean;
  /** Whether the answer goes on for as long as it is held. */
  readonly endless?: boolean;
}

/** The curl command that does the same, to be pasted into a POSIX shell. */
export function curlOf({ method, url, headers = {}, body, signedIn = false, endless = false }: CurlRequest): string {
  const parts = ['curl'];
  if (endless) parts.push('-N');
  // A body makes it a POST by itself.
  if (method !== (body === undefined ? 'GET' : 'POST')) parts.push(`-X ${method}`);
  parts.push(quoted(url));
  if (signedIn) parts.push('-H "Authorization: Bearer $TOKEN"');
  for (const [name, value] of Object.entries(headers)) parts.push(`-H ${quoted(`${name}: ${value}`)}`);
  // Taken as it is: with -d, a text that begins with @ would name a file, and line breaks would be lost.
  if (body !== undefined) parts.push(`${/^@|[\r\n]/.test(body) ? '--data-raw' : '-d'} ${quoted(body)}`);
  return parts.join(' ');
}

/** One word of a POSIX shell: between single quotes nothing but a single quote has a meaning. */
function quoted(text: string): string {
  return /^[A-Za-z0-9_./:=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Signs in, and has the shell keep the token as $TOKEN. The password is asked for, so that no history of commands has it. */
export function tokenCommand(url: string, name: string): string {
  // In JSON, within double quotes of the shell.
  const shown = JSON.stringify(JSON.stringify(name)).slice(1, -1).replace(/[$`]/g, '\\$&');
  const json = `{\\"name\\":${shown},\\"password\\":\\"$PASSWORD\\"}`;
  const answer = `curl -s ${quoted(url)} -H 'Content-Type: application/json' -d "${json}"`;
  return `read -rsp 'Password: ' PASSWORD; TOKEN=$(${answer} | sed -E 's/.*"token":"([^"]*)".*/\\1/')`;
}
