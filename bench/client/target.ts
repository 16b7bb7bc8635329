/** Where the servers under test listen. */
export function hostAndPort(port: number): { readonly host: string; readonly port: number } {
  return { host: '127.0.0.1', port };
}
