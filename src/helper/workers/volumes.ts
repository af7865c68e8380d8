import { at, parseJson, textAt } from '../../../probes/transport/json.ts';
import { reasonOf } from '../../lib/errors.ts';
import { reconcileOnChange } from '../cluster/reconcile.ts';
import type { Change, Watches } from '../cluster/watches.ts';
import type { VolumesOptions } from '../options.ts';
import { makeFolder, removeFolder } from '../storage/folders.ts';
import { nodePath, nodes } from './node.ts';
import type { ClusterNode } from './node.ts';

// The folders of volumes on workers. The control plane, which alone may make and delete volumes, writes into an annotation of a Node what
// is to be there and what not; the worker does it, and answers by another one. Both forget what the other does not ask for any more.

const wantedAnnotation = 'k8s-single/volumes';
const doneAnnotation = 'k8s-single/volumes-done';

/** By the names of folders: the size in bytes of one that is to be made, null for one that is to be removed. */
export type WantedFolders = Readonly<Record<string, number | null>>;

/** What a worker answers. */
interface Done {
  /** The folder in which those of its volumes are. */
  readonly root: string;
  readonly folders: Readonly<Record<string, DoneFolder>>;
}

/** `made`, `removed`, or why not. */
type DoneFolder = 'made' | 'removed' | { readonly failure: string };

/** What was done of one folder, as a worker says; undefined until it has. */
export function doneOn(
  { annotations }: Pick<ClusterNode, 'annotations'>,
  name: string,
): { readonly path: string; readonly done: DoneFolder } | undefined {
  const answer = readDone(annotations);
  const done = answer?.folders[name];
  return answer === undefined || done === undefined ? undefined : { path: `${answer.root}/${name}`, done };
}

/** Whether the node is a worker that has volumes. */
export function hasVolumes({ annotations }: Pick<ClusterNode, 'annotations'>): boolean {
  return readDone(annotations) !== undefined;
}

/** The change that asks a worker for these folders and no others; undefined if it has been asked already. */
export function askFor({ name, annotations }: ClusterNode, wanted: WantedFolders): Change | undefined {
  const text = Object.keys(wanted).length === 0 ? '' : JSON.stringify(wanted);
  if (textAt(annotations, wantedAnnotation) === text) return undefined;
  return annotate(name, { [wantedAnnotation]: text === '' ? null : text });
}

/** On a worker: makes and removes the folders that its Node names, until the signal aborts. */
export function runVolumes(
  { nodeName, folder }: VolumesOptions,
  watches: Watches,
  signal: AbortSignal,
): void {
  const known = watches.store(nodes);
  let said = '';
  const reconcile = async (): Promise<void> => {
    const node = known.get('', nodeName);
    if (!known.isSynced || node === undefined) return;
    const answer = JSON.stringify(await carryOut(folder, readWanted(node.annotations)));
    if (textAt(node.annotations, doneAnnotation) === answer) return;
    await watches
      .change(annotate(nodeName, { [doneAnnotation]: answer }), [200, 404])
      .catch((error: unknown) => {
        const reason = reasonOf(error);
        if (reason !== said) console.error(`the API server is not told of volumes: ${reason}`);
        said = reason;
      });
  };
  reconcileOnChange([known], reconcile, signal);
}

/**
 * Makes and removes folders.
 * @internal exported for tests
 */
export async function carryOut(root: string, wanted: WantedFolders): Promise<Done> {
  const folders: Record<string, DoneFolder> = {};
  for (const [name, bytes] of Object.entries(wanted)) {
    try {
      if (bytes === null) await removeFolder(root, name);
      else makeFolder(root, name, bytes);
      folders[name] = bytes === null ? 'removed' : 'made';
    } catch (error) {
      folders[name] = { failure: reasonOf(error) };
    }
  }
  return { root, folders };
}

function readWanted(annotations: unknown): WantedFolders {
  const wanted = parseJson(textAt(annotations, wantedAnnotation));
  if (typeof wanted !== 'object' || wanted === null) return {};
  const entries = Object.entries(wanted).filter(
    (entry): entry is [string, number | null] => entry[1] === null || typeof entry[1] === 'number',
  );
  return Object.fromEntries(entries);
}

function readDone(annotations: unknown): Done | undefined {
  const answer = parseJson(textAt(annotations, doneAnnotation));
  const [root, folders] = [textAt(answer, 'root'), at(answer, 'folders')];
  if (!root.startsWith('/') || typeof folders !== 'object' || folders === null) return undefined;
  const entries = Object.entries(folders).map(([name, done]: [string, unknown]): [string, DoneFolder] => [
    name,
    done === 'made' || done === 'removed' ? done : { failure: textAt(done, 'failure') },
  ]);
  return { root, folders: Object.fromEntries(entries) };
}

function annotate(name: string, annotations: Readonly<Record<string, string | null>>): Change {
  const type = 'application/merge-patch+json';
  return { method: 'PATCH', path: nodePath(name), body: { metadata: { annotations } }, type };
}
