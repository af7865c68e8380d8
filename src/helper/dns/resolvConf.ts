import { readFileSync } from 'node:fs';
import { hasErrorCode } from '../../lib/systemError.ts';

/** The addresses of the lines `nameserver` of a resolv.conf(5), without IPv6 zones. Empty if there is no such file. */
export function nameServers(file: string): string[] {
  const found = text(file).matchAll(/^[ \t]*nameserver[ \t]+([\d.:a-fA-F]+)/gm);
  return [...found].map(([, address]) => address!);
}

function text(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT')) return '';
    throw error;
  }
}
