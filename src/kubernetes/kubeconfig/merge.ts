import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { isMap, isSeq } from 'yaml';
import type { Document, YAMLSeq } from 'yaml';
import { contextName } from './kubeconfig.ts';
import { editKubeconfig, notKubeconfig, parseKubeconfig } from './kubeconfigFile.ts';

const sections = ['clusters', 'users', 'contexts'] as const;

/**
 * The kubeconfig that kubectl would change: of the files in $KUBECONFIG the first that exists, else the last; without
 * $KUBECONFIG ~/.kube/config (client-go, `PathOptions.GetDefaultFilename`).
 */
export function userKubeconfig(env: NodeJS.ProcessEnv = process.env): string {
  const files = (env['KUBECONFIG'] ?? '').split(delimiter).filter((file) => file !== '');
  return files.find((file) => existsSync(file)) ?? files.at(-1) ?? join(homedir(), '.kube', 'config');
}

/**
 * Puts the clusters, users and contexts of `addition` (a kubeconfig as YAML) into the kubeconfig `path`, in place of
 * those with the same names, and makes its current context the current one. All else stays, comments too. A file
 * that is not there is made. Throws what {@link editKubeconfig} throws.
 */
export function mergeKubeconfig(path: string, addition: string): void {
  const added = parseKubeconfig(addition, 'the kubeconfig to add');
  editKubeconfig(path, (document) => {
    for (const key of ['apiVersion', 'kind']) if (!document.has(key)) document.set(key, added.get(key));
    for (const section of sections) {
      const list = entries(document, section, path);
      for (const entry of entries(added, section, 'the kubeconfig to add').items) {
        const at = list.items.findIndex((item) => nameOf(item) === nameOf(entry));
        if (at < 0) list.add(entry);
        else list.items[at] = entry;
      }
    }
    document.set('current-context', added.get('current-context'));
    return true;
  });
}

/**
 * Removes the cluster, user and context of the node `name` from the kubeconfig `path`; a current context that pointed
 * there becomes empty. Returns whether anything changed. A file that does not exist, or does not contain the node, is not
 * touched. Throws what {@link editKubeconfig} throws.
 */
export function removeFromKubeconfig(path: string, name: string): boolean {
  const removed = contextName(name);
  if (!existsSync(path)) return false;
  let changed = false;
  editKubeconfig(path, (document) => {
    for (const section of sections) {
      const list = entries(document, section, path);
      const rest = list.items.filter((item) => nameOf(item) !== removed);
      changed ||= rest.length < list.items.length;
      list.items = rest;
    }
    if (document.get('current-context') !== removed) return changed;
    document.set('current-context', '');
    changed = true;
    return true;
  });
  return changed;
}

/** The list `section`; an empty one is put there when there is none, or `null` as kubectl writes it. */
function entries(document: Document, section: string, source: string): YAMLSeq {
  const found = document.get(section);
  if (isSeq(found)) {
    // `clusters: []` grows line by line, unless the whole file is JSON.
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
