import { join } from 'node:path';
import { removeTemporaries } from '../lib/atomicFile.ts';
import type { Paths } from '../lib/paths.ts';

/** Removes what interrupted writes have left in the folders of a node. Call it before anything of it starts. */
export function removeInterruptedWrites(paths: Paths): void {
  const { data, pki, kubeconfigs, apiserver, containerd, pinnedImages, kubelet, cni, addons, snapshots } =
    paths;
  const made = ['dns', 'helper'].map((name) => join(data, name));
  removeTemporaries(
    data,
    pki,
    kubeconfigs,
    apiserver,
    containerd,
    pinnedImages,
    kubelet,
    cni,
    addons,
    snapshots,
    ...made,
  );
}
