import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { endianness } from 'node:os';
import type { Diagnosis } from '../../engine/component.ts';
import { Failure } from '../../lib/errors.ts';

/** go.etcd.io/bbolt, db.go: the beginning of a meta page, after the header of the page, in the order of the machine's bytes. */
const magic = 0xed_0c_da_ed;
const version = 2;
const pageHeaderBytes = 16;

/** The first two pages are meta pages, and one of them is enough. The second begins where the machine's page size says. */
const metaPages = [0, 4096, 16_384, 65_536] as const;

/** A new database of etcd has about five pages, in bytes; one of Kubernetes has hundreds. */
const maxEmptyBytes = 16 * 4096;

/** What etcd, containerd and bbolt report of files that are damaged. */
const damaged =
  /\b(?:database|bolt|freelist|freepages|checksum|crc|wal(?:pb)?|write-ahead log|snap(?:shot)?|(?:meta|metadata)\.db|unexpected EOF|proto|cannot use none as id)\b/i;

/** A panic in the code of a database, or a fault in the memory into which its file is mapped. */
const crash = /\b(?:panic|fatal error): /;
const databaseCode = /\bbbolt[.(]|\/coreos\/bbolt[.(]/;

/** A file where a folder is needed, or the other way round. */
const wrongKind = /\b(?:EISDIR|ENOTDIR|EEXIST)\b|\b(?:is|not) a directory\b|\berror listing data dir\b/;

/** Not the file's fault: the disk, rights, or another process that has it open. */
const passing =
  /no space left|space exceeded|quota exceeded|input\/output error|cannot allocate|read-only|permission denied|operation not permitted|\btimeout\b|timed out/i;

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

/**
 * Whether the file has more pages than a database to which nothing has been written. False also if it cannot be read.
 */
export function hasContent(file: string): boolean {
  try {
    const stat = statSync(file);
    return stat.isFile() && stat.size > maxEmptyBytes;
  } catch {
    return false;
  }
}

function isMetaPage(fd: number, offset: number): boolean {
  const bytes = Buffer.alloc(8);
  if (readSync(fd, bytes, 0, bytes.length, offset + pageHeaderBytes) < bytes.length) return false;
  const number = (at: number): number =>
    endianness() === 'LE' ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at);
  return number(0) === magic && number(4) === version;
}

/**
 * Whether a failure is that of damaged files, by its reason, or by the frames of a panic in the last lines of the log. Bolt
 * reports some damage only by an index out of range.
 */
export function isDamage(reason: string, lastLines: readonly string[]): boolean {
  if (passing.test(reason)) return false;
  return (
    damaged.test(withoutPaths(reason)) ||
    (crash.test(reason) && lastLines.some((line) => databaseCode.test(line)))
  );
}

/** The text without absolute paths, whose folders may be called anything. */
export function withoutPaths(text: string): string {
  return text.replaceAll(/(?<=^|[\s'"(=])\/[^\s'")]+/g, '');
}

/** The diagnosis if a file of the component is a folder or a folder a file: the reason names it. */
export function ifWrongKind(reason: string): Diagnosis | undefined {
  if (!wrongKind.test(reason)) return undefined;
  return { isPermanent: true, remedy: 'remove what is in the way: it is made again' };
}
