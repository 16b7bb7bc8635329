import { readFile } from 'node:fs/promises';

export const TOP = new URL('../../', import.meta.url);

/** A package as package-lock.json has it. */
export interface Locked {
  readonly version: string;
  readonly license?: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly link?: boolean;
  /** Whether it is for developing alone. */
  readonly dev?: boolean;
  readonly hasInstallScript?: boolean;
}

async function read(file: string): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(new URL(file, TOP), 'utf8')) as Record<string, unknown>;
}

export const manifest = await read('package.json');
const { packages } = (await read('package-lock.json')) as { packages: Record<string, Locked> };

/** Everything that is installed somewhere, of all platforms, by the path at which it is. */
export const locked = Object.entries(packages).filter(([path]) => path !== '');

/** What runs where InterChat runs. */
export const shipped = locked.filter(([, { dev }]) => !dev);

/** The name of what is at such a path. */
export function nameAt(path: string): string {
  return path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
}

/** Whether a licence, as SPDX has it, leaves the choice of one of these, or is several that all are. */
export function isAmong(allowed: readonly string[], license: string): boolean {
  const bare = license.replace(/^\((.*)\)$/, '$1');
  if (/[()]| WITH /.test(bare)) return false;
  return bare.split(' OR ').some((choice) => choice.split(' AND ').every((one) => allowed.includes(one)));
}
