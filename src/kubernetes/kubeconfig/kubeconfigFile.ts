import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { dirname } from 'node:path';
import { isMap, parseDocument } from 'yaml';
import type { Document } from 'yaml';
import { Failure, reasonOf } from '../../lib/errors.ts';
import { hasCode, privateMode } from '../pki/files.ts';

/**
 * Edits the kubeconfig `path` under the lock that kubectl takes, and replaces it in one step if `edit` says that it
 * changed anything. Comments and style stay, the owner too; the mode becomes 0600. A file that is not there is an
 * empty document to `edit`.
 *
 * Synchronous, so that no signal handler runs between taking the lock and giving it back. Throws a {@link Failure}
 * when the file cannot be read or written, is not YAML, or is locked.
 */
export function editKubeconfig(path: string, edit: (document: Document) => boolean): void {
  try {
    fs.mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    lock(path);
    try {
      const before = fs.existsSync(path) ? fs.readFileSync(path, 'utf8') : '';
      const document = parseKubeconfig(before, path);
      if (edit(document)) replace(path, document.toString({ lineWidth: 0, indentSeq: indentsLists(before) }));
    } finally {
      fs.rmSync(lockFile(path), { force: true });
    }
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure('preflight', `${path} cannot be changed: ${reasonOf(error)}`, { cause: error });
  }
}

/** The kubeconfig in `text`, which may be empty. `source` names it in the {@link Failure} thrown when it is none. */
export function parseKubeconfig(text: string, source: string): Document {
  const document = parseDocument(text);
  const [error] = document.errors;
  if (error !== undefined) throw notKubeconfig(source, error.message.trim());
  if (document.contents !== null && !isMap(document.contents)) throw notKubeconfig(source, 'it is not a map');
  return document;
}

/** `source` is not what it should be. */
export function notKubeconfig(source: string, reason: string): Failure {
  return new Failure('preflight', `${source} is not a kubeconfig: ${reason}`, {
    hint: `Mend ${source}, or choose another file with KUBECONFIG.`,
  });
}

/** client-go, `clientcmd.lockName`. */
function lockFile(path: string): string {
  return `${path}.lock`;
}

/** As client-go does it: made, or refused when it is there. */
function lock(path: string): void {
  try {
    fs.closeSync(fs.openSync(lockFile(path), 'wx', 0));
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
    throw new Failure('preflight', `${path} is locked: another program holds ${lockFile(path)}`, {
      hint: `Try again when it is done. If nothing is changing the file, remove ${lockFile(path)}.`,
      cause: error,
    });
  }
}

/** Through a symbolic link, and for the same owner: `sudo k8s-single` must not take a user's file away. */
function replace(path: string, text: string): void {
  const owner = fs.statSync(path, { throwIfNoEntry: false });
  const target = owner === undefined ? path : fs.realpathSync(path);
  const temporary = `${target}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    fs.writeFileSync(temporary, text, { mode: privateMode, flag: 'wx' });
    if (owner !== undefined) fs.chownSync(temporary, owner.uid, owner.gid);
    fs.renameSync(temporary, target);
  } finally {
    fs.rmSync(temporary, { force: true });
  }
}

/** Whether the first list of `text` stands further in than its key; kubectl's own do not. */
function indentsLists(text: string): boolean {
  return /^ *- /mu.exec(text)?.[0].startsWith(' ') ?? false;
}
