import { mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { execa } from 'execa';
import type { Binaries } from '../install/install.ts';
import {
  initialObjectsFile,
  listInitialObjects,
  putsOf,
  withoutIdentity,
} from '../kubernetes/components/initialObjects.ts';
import { writeFileAtomically } from '../lib/atomicFile.ts';
import { childEnv } from '../lib/childEnv.ts';
import { reasonOf } from '../lib/errors.ts';
import { cacheDir, programFile } from '../lib/paths.ts';
import type { Progress } from '../observe/terminal/view.ts';

interface Order {
  readonly binDirs: readonly string[];
  readonly onProgress: (progress: Progress) => void;
  readonly print: (line: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Once for each version of Kubernetes: starts a node in memory, takes the objects with which every cluster begins, and keeps them in
 * the cache for new clusters; also if what is there is damaged. Without them a cluster starts, too: why there are none is printed,
 * unless no node can be started because the user is not root. Rejects only with the signal's reason.
 */
export async function makeInitialObjects(
  { versions }: Binaries,
  { binDirs, onProgress, print, signal }: Order,
): Promise<void> {
  const { 'kube-apiserver': kubernetes } = versions;
  const file = initialObjectsFile(cacheDir(), kubernetes);
  const isWhole = putsOf(await readFile(file, 'utf8').catch(() => ''), new Date()) !== undefined;
  if (isWhole || process.getuid?.() !== 0) return;
  const options = [
    '--no-install',
    '--kubernetes',
    kubernetes,
    ...binDirs.flatMap((dir) => ['--bin-dir', dir]),
  ];
  const label = `preparing new clusters of Kubernetes ${kubernetes}`;
  const startedAt = performance.now();
  onProgress({ label, elapsedMs: 0 });
  try {
    const { exitCode, stdout, stderr } = await execa(
      process.execPath,
      [programFile('main'), 'run', ...options, '--', 'kubectl', ...listInitialObjects(kubernetes)],
      {
        env: { ...childEnv(process.env), K8S_SINGLE_EGRESS: 'none' },
        extendEnv: false,
        cancelSignal: signal,
        reject: false,
      },
    );
    signal.throwIfAborted();
    if (exitCode !== 0) throw new Error(failureIn(stderr));
    await mkdir(dirname(file), { recursive: true });
    await writeFileAtomically(file, withoutIdentity(stdout));
    onProgress({ label, elapsedMs: Math.ceil(performance.now() - startedAt), done: true });
  } catch (error) {
    signal.throwIfAborted();
    print(`new clusters of Kubernetes ${kubernetes} start without prepared objects: ${reasonOf(error)}`);
  }
}

/** The line with the error of a command of this program; its hint is for somebody who wants a node. */
function failureIn(stderr: string): string {
  const lines = stderr.trim().split('\n');
  const line = lines.findLast((each) => each.startsWith('k8s-single: ')) ?? lines.at(-1) ?? '';
  return line.replace(/^k8s-single: /, '');
}
