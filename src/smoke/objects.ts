import type { Context, Image } from './check.ts';

/** What differs between the pods of the checks. */
export interface PodOptions {
  readonly command: readonly string[];
  /** The command ends by itself and is not restarted. Default: it runs forever. */
  readonly once?: boolean;
  /** The TCP port on which it listens, for its readiness probe. */
  readonly port?: number;
  /** Volumes by mount path. */
  readonly volumes?: Readonly<Record<string, object>>;
  /** More fields of the pod's spec. */
  readonly spec?: object;
}

/** The command of a pod that does nothing. */
export const idle = ['sleep', '1000000'] as const;

/** A pod with the label `app: <name>`. It ends at once when it is deleted. */
export function pod(name: string, image: Image, options: PodOptions): object {
  return { apiVersion: 'v1', kind: 'Pod', ...podTemplate(name, image, options) };
}

/** The same pod, as the template of a Deployment or Job. */
export function podTemplate(
  name: string,
  image: Image,
  { command, once, port, volumes = {}, spec }: PodOptions,
) {
  const mounts = Object.entries(volumes).map(([mountPath, volume], index) => {
    return { mount: { name: `volume-${index}`, mountPath }, volume: { name: `volume-${index}`, ...volume } };
  });
  return {
    metadata: { name, labels: { app: name } },
    spec: {
      terminationGracePeriodSeconds: 0,
      restartPolicy: once === true ? 'Never' : 'Always',
      containers: [
        {
          name: 'main',
          image: image.name,
          imagePullPolicy: image.pull,
          command,
          volumeMounts: mounts.map(({ mount }) => mount),
          ...(port !== undefined && { readinessProbe: { tcpSocket: { port }, periodSeconds: 1 } }),
        },
      ],
      volumes: mounts.map(({ volume }) => volume),
      ...spec,
    },
  };
}

/** A Service for the pods with the label `app: <app>`. */
export function service(
  name: string,
  app: string,
  port: number,
  type: 'ClusterIP' | 'NodePort' | 'LoadBalancer',
  targetPort = port,
): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name },
    spec: { type, selector: { app }, ports: [{ port, targetPort }] },
  };
}

export async function createPod(
  { api, namespacePath, image, signal }: Context,
  name: string,
  options: PodOptions,
): Promise<unknown> {
  return api.create(`${namespacePath}/pods`, pod(name, image, options), signal);
}
