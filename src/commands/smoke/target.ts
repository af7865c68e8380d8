import { nodeCommand } from '../../lib/commandLine.ts';
import { client } from '../../control/client.ts';
import { Failure } from '../../lib/errors.ts';
import { install } from '../../install/install.ts';
import { imageBinaries, nodeBinaries } from '../../install/find/needs.ts';
import { readNodeFile } from '../../instance/nodeFile.ts';
import { cacheDir, nodePaths } from '../../lib/paths.ts';
import type { Image } from '../../smoke/check.ts';
import { importImage } from '../../smoke/image.ts';
import { binDirsOfEnvironment } from '../../supervisor/options.ts';

/** A cluster to test, and what to test it with. */
export interface SmokeTarget {
  readonly name: string;
  readonly kubeconfig: string;
  readonly kubectl: string;
  readonly image: Image;
  /** What to do when its API server does not answer. */
  readonly unreachable?: string;
  readonly suspects: () => Promise<readonly string[]>;
  /** Takes away what was brought for the test. */
  readonly leave: () => Promise<void>;
}

interface TargetOptions {
  readonly name: string;
  readonly kubeconfig?: string;
  readonly image?: string;
  readonly binDir?: readonly string[];
}

/** What any cluster can pull. */
const publicImage = 'busybox';

/** The cluster of `--kubeconfig`, or else the running node, which gets a busybox image of its own unless told otherwise. */
export async function targetOf(
  options: TargetOptions,
  run: string,
  signal: AbortSignal,
): Promise<SmokeTarget> {
  const { kubeconfig, image = publicImage, binDir = [] } = options;
  if (kubeconfig === undefined) return ownNode(options, run, signal);
  const needs = nodeBinaries.filter((need) => need.name === 'kubectl');
  const { files } = await install({ ...places(binDir), needs, noInstall: true, signal });
  return {
    name: kubeconfig,
    kubeconfig,
    kubectl: files.kubectl,
    image: { name: image, pull: 'IfNotPresent' },
    suspects: async () => [],
    leave: async () => undefined,
  };
}

async function ownNode(
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
    return { ...target, image: { name: image, pull: 'IfNotPresent' }, leave: async () => undefined };
  }
  const { files } = await install({ ...places(binDir), needs: imageBinaries, signal }).catch(
    (cause: unknown) => {
      if (!(cause instanceof Failure)) throw cause;
      const hint = 'or name an image that has busybox: --image busybox';
      throw new Failure(cause.code, cause.message, {
        hint: [cause.hint, hint].filter(Boolean).join('; '),
        cause,
      });
    },
  );
  const own = await importImage({ ctr, busybox: files.busybox, socket, run }, signal);
  return { ...target, image: { name: own.name, pull: 'Never' }, leave: own.remove };
}

function places(binDir: readonly string[]) {
  return { binDirs: [...binDir, ...binDirsOfEnvironment()], cacheDir: cacheDir() };
}
