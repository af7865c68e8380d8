import { processTable } from '../test/support/processes.ts';
import { nodeName } from './place.ts';

/** The programs of a node's services. */
export const services = [
  'containerd',
  'etcd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kubelet',
  'kube-proxy',
] as const;

export type ServiceProgram = (typeof services)[number];

/** The pids of the node's services, by program. */
export async function running(): Promise<{ program: ServiceProgram; pid: number }[]> {
  const found: { program: ServiceProgram; pid: number }[] = [];
  for (const { pid, command, state, cgroups } of (await processTable()).values()) {
    const file = command.split(' ')[0] ?? '';
    const program = services.find((each) => file.endsWith(`/${each}`));
    if (program && state !== 'Z' && cgroups.includes(`/k8s-single-${nodeName}/`))
      found.push({ program, pid });
  }
  return found;
}
