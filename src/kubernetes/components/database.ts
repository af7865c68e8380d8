import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { endianness } from 'node:os';
import { Failure } from '../../lib/errors.ts';

/** go.etcd.io/bbolt, db.go: the beginning of a meta page, after the header of the page, in the order of the machine's bytes. */
const magic = 0xed_0c_da_ed;
const version = 2;
const pageHeaderBytes = 16;

/** The first two pages are meta pages, and one of them is enough. The second begins where the machine's page size says. */
const metaPages = [0, 4096, 16_384, 65_536] as const;

/** What etcd, containerd and bbolt report of files that are damaged. */
const damaged =
  /\b(?:database|bolt|freelist|checksum|crc|wal|snap(?:shot)?|meta\.db|unexpected EOF|proto)\b/i;

/**
 * Refuses a file that is no database of bbolt, as etcd and containerd have them. They themselves give up without its name, or
 * live on without what they are for. Accepts a file that is
 * missing, empty or not to be opened: they make it, or report why they cannot.
 * @throws Failure `preflight` with the file and the hint.
 */
export function assertDatabase(file: string, hint: string): void {
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch {
    // Missing, or not to be opened, as below a file: the program makes it, or reports why it cannot.
    return;
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile() || stat.size === 0 || metaPages.some((offset) => isMetaPage(fd, offset))) return;
  } finally {
    closeSync(fd);
  }
  throw new Failure('preflight', `${file} is damaged: it is no database`, { hint });
}

function isMetaPage(fd: number, offset: number): boolean {
  const bytes = Buffer.alloc(8);
  if (readSync(fd, bytes, 0, bytes.length, offset + pageHeaderBytes) < bytes.length) return false;
  const number = (at: number): number =>
    endianness() === 'LE' ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at);
  return number(0) === magic && number(4) === version;
}

/** The hint if the reason of a failure is of damaged files. */
export function ifDamaged(reason: string, hint: string): string | undefined {
  return damaged.test(reason) ? hint : undefined;
}
