import * as fs from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { isMap, isSeq, parseDocument } from 'yaml';
import type { Document, YAMLSeq } from 'yaml';
import { removeTemporariesOf, writeFileAtomicallySync } from '../../lib/atomicFile.ts';
import { Failure, reasonOf } from '../../lib/errors.ts';
import { homeDir } from '../../lib/paths.ts';
import { hasErrorCode } from '../../lib/systemError.ts';
import { privateMode } from '../pki/files.ts';
import { contextName } from './kubeconfig.ts';

const sections = ['clusters', 'users', 'contexts'] as const;

/**
 * The kubeconfig that kubectl would change: the first existing file of $KUBECONFIG, else its last; without
 * $KUBECONFIG ~/.kube/config (client-go, `PathOptions.GetDefaultFilename`).
 */
export function userKubeconfig(env: NodeJS.ProcessEnv = process.env): string {
  const files = (env['KUBECONFIG'] ?? '').split(delimiter).filter((file) => file !== '');
  return files.find((file) => fs.existsSync(file)) ?? files.at(-1) ?? join(homeDir(), '.kube', 'config');
}

/**
 * Merges `addition` (a kubeconfig as YAML) into the kubeconfig `path`: replaces clusters, users and contexts
 * of the same names, adds the others, and makes the addition's current context the current one. Keeps
 * everything else, comments too. Creates the file if it does not exist. How the file is replaced, and what is
 * thrown: see {@link editKubeconfig}.
 */
export function mergeKubeconfig(path: string, addition: string): void {
  const added = parseKubeconfig(addition, 'the kubeconfig to add');
  editKubeconfig(path, (document) => {
    for (const key of ['apiVersion', 'kind']) if (!document.has(key)) document.set(key, added.get(key));
    for (const section of sections) {
      const list = entries(document, section, path);
      for (const entry of entries(added, section, 'the kubeconfig to add').items) {
        const index = list.items.findIndex((item) => nameOf(item) === nameOf(entry));
        if (index < 0) list.add(entry);
        else list.items[index] = entry;
      }
    }
    document.set('current-context', added.get('current-context'));
    return true;
  });
}

/**
 * Removes the cluster, user and context that `kubeconfig --merge` added for the node `name` from the
 * kubeconfig `path`, and returns whether there were any. A current context that was the node's becomes empty.
 * Keeps the entries of other clusters, comments too. Does not touch a file without such entries, and creates
 * none. How the file is replaced, and what is thrown: see {@link editKubeconfig}.
 */
export function removeFromKubeconfig(path: string, name: string): boolean {
  if (!fs.existsSync(path)) return false;
  const removed = contextName(name);
  return editKubeconfig(path, (document) => {
    let changed = false;
    for (const section of sections) {
      const list = entries(document, section, path);
      const others = list.items.filter((item) => nameOf(item) !== removed);
      changed ||= others.length < list.items.length;
      list.items = others;
    }
    if (document.get('current-context') !== removed) return changed;
    document.set('current-context', '');
    return true;
  });
}

/**
 * Edits the kubeconfig `path` under kubectl's lock. Replaces the file atomically if `edit` returns true, and
 * returns what `edit` returned. Keeps comments, style and owner; sets the mode to 0600. A file that does not
 * exist is an empty document.
 *
 * Synchronous, so that no signal handler runs while the lock is held. Throws a {@link Failure} `preflight`
 * when the file cannot be read or written, is not a kubeconfig, or is locked.
 */
function editKubeconfig(path: string, edit: (document: Document) => boolean): boolean {
  try {
    fs.mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    lock(path);
    try {
      const before = fs.existsSync(path) ? fs.readFileSync(path, 'utf8') : '';
      const document = parseKubeconfig(before, path);
      const changed = edit(document);
      if (changed) replace(path, document.toString({ lineWidth: 0, indentSeq: indentsLists(before) }));
      return changed;
    } finally {
      fs.rmSync(lockFile(path), { force: true });
    }
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure('preflight', `${path} cannot be changed: ${reasonOf(error)}`, { cause: error });
  }
}

/** Parses a kubeconfig, which may be empty. `source` names it in the {@link Failure}. */
function parseKubeconfig(text: string, source: string): Document {
  const document = parseDocument(text);
  const [error] = document.errors;
  if (error !== undefined) throw notKubeconfig(source, error.message.trim());
  if (document.contents !== null && !isMap(document.contents)) throw notKubeconfig(source, 'it is not a map');
  return document;
}

/** The list `section`. Adds an empty one if there is none, or `null`, as kubectl writes an empty list. */
function entries(document: Document, section: string, source: string): YAMLSeq {
  const found = document.get(section);
  if (isSeq(found)) {
    // Write entries added to `clusters: []` in block style, unless the whole file is JSON.
    if (found.items.length === 0 && isMap(document.contents)) found.flow = document.contents.flow === true;
    return found;
  }
  if (found !== undefined && found !== null) throw notKubeconfig(source, `its ${section} are not a list`);
  const list = document.createNode([]);
  document.set(section, list);
  return list;
}

function nameOf(entry: unknown): unknown {
  return isMap(entry) ? entry.get('name') : undefined;
}

function notKubeconfig(source: string, reason: string): Failure {
  return new Failure('preflight', `${source} is not a kubeconfig: ${reason}`, {
    hint: `Fix ${source}, or choose another file with KUBECONFIG.`,
  });
}

/** client-go, `clientcmd.lockName`. */
function lockFile(path: string): string {
  return `${path}.lock`;
}

/** As client-go does: creates the lock file, and fails if it exists. */
function lock(path: string): void {
  try {
    fs.closeSync(fs.openSync(lockFile(path), 'wx', 0));
  } catch (error) {
    if (!hasErrorCode(error, 'EEXIST')) throw error;
    throw new Failure('preflight', `${path} is locked: another program holds ${lockFile(path)}`, {
      hint: `Try again when it is done. If no program is changing the file, remove ${lockFile(path)}.`,
      cause: error,
    });
  }
}

/**
 * Follows a symbolic link and keeps the owner: after `sudo k8s-single` the file still belongs to the user.
 */
function replace(path: string, text: string): void {
  const owner = fs.statSync(path, { throwIfNoEntry: false });
  const target = owner === undefined ? path : fs.realpathSync(path);
  // Under the lock nobody else writes it. They have keys.
  removeTemporariesOf(target);
  writeFileAtomicallySync(target, text, { mode: privateMode, ...(owner && { owner }) });
}

/** Whether the first list of `text` is indented below its key. kubectl does not indent lists. */
function indentsLists(text: string): boolean {
  return /^ *- /mu.exec(text)?.[0].startsWith(' ') ?? false;
}
