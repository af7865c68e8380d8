import { nodeCommand } from '../../lib/commandLine.ts';
import { client } from '../../control/client.ts';
import { Failure } from '../../lib/errors.ts';
import { install } from '../../install/install.ts';
import { imageBinaries, nodeBinaries } from '../../install/find/binaries.ts';
import { readNodeFile } from '../../instance/nodeFile.ts';
import { cacheDir, nodePaths } from '../../lib/paths.ts';
import type { Image } from '../../smoke/check.ts';
import { importImage } from '../../smoke/image.ts';
import { binDirsOfEnvironment } from '../../supervisor/options.ts';

/** A cluster to test, and the means to test it. */
export interface SmokeTarget {
  readonly name: string;
  readonly kubeconfig: string;
  readonly kubectl: string;
  readonly image: Image;
  /** The hint when its API server does not answer. */
  readonly unreachable?: string;
  /** Components that may be the cause of a failed check, a line each. */
  readonly suspects: () => Promise<readonly string[]>;
  /** Removes what was added for the test. */
  readonly cleanUp: () => Promise<void>;
}

interface TargetOptions {
  readonly name: string;
  readonly kubeconfig?: string;
  readonly image?: string;
  readonly binDir?: readonly string[];
}

/** Any cluster can pull this one. */
const publicImage = 'busybox';

/** The cluster of `--kubeconfig`, or the running node. Unless `--image` names one, the node gets a locally built image. */
export async function findTarget(
  options: TargetOptions,
  run: string,
  signal: AbortSignal,
): Promise<SmokeTarget> {
  const { kubeconfig, image = publicImage, binDir = [] } = options;
  if (kubeconfig === undefined) return nodeTarget(options, run, signal);
  const binaries = nodeBinaries.filter(({ name }) => name === 'kubectl');
  const { files } = await install({ ...searchFolders(binDir), binaries, noInstall: true, signal });
  return {
    name: kubeconfig,
    kubeconfig,
    kubectl: files.kubectl,
    image: { name: image, pull: 'IfNotPresent' },
    suspects: async () => [],
    cleanUp: async () => undefined,
  };
}

async function nodeTarget(
  { name, image, binDir = [] }: TargetOptions,
  run: string,
  signal: AbortSignal,
): Promise<SmokeTarget> {
  const { kubeconfig, kubectl, ctr, dataDir } = await readNodeFile(name);
  if (kubeconfig === undefined || kubectl === undefined || ctr === undefined) {
    throw new Failure('usage', `node ${name} is a graph without Kubernetes: there is nothing to test`);
  }
  const { controlSocket, containerdSocket: socket } = nodePaths(name, dataDir);
  const suspects = async (): Promise<readonly string[]> =>
    (await client(controlSocket).notReady(signal)).map((line) => `not ready: ${line}`);
  const unreachable = `see what is not ready, and wait for it: ${nodeCommand('status', { name }, '--wait')}`;
  const target = { name, kubeconfig, kubectl, suspects, unreachable };
  if (image !== undefined) {
    return { ...target, image: { name: image, pull: 'IfNotPresent' }, cleanUp: async () => undefined };
  }
  const { files } = await install({ ...searchFolders(binDir), binaries: imageBinaries, signal }).catch(
    (cause: unknown) => {
      if (!(cause instanceof Failure)) throw cause;
      const hint = 'or name an image that contains busybox: --image busybox';
      throw new Failure(cause.code, cause.message, {
        hint: [cause.hint, hint].filter(Boolean).join('; '),
        cause,
      });
    },
  );
  const imported = await importImage({ ctr, busybox: files.busybox, socket, run }, signal);
  return { ...target, image: { name: imported.name, pull: 'Never' }, cleanUp: imported.remove };
}

function searchFolders(binDir: readonly string[]) {
  return { binDirs: [...binDir, ...binDirsOfEnvironment()], cacheDir: cacheDir() };
}
