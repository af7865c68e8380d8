import type { Context, Image } from './check.ts';

/** What makes one pod different from another. */
export interface PodShape {
  readonly command: readonly string[];
  /** Whether it ends by itself, or goes on for ever. */
  readonly once?: boolean;
  /** The TCP port it listens on; it counts as ready when the port answers. */
  readonly port?: number;
  /** Volumes by the path they are mounted at. */
  readonly volumes?: Readonly<Record<string, object>>;
}

/** What a pod does that is there to be looked at or to have commands run in it. */
export const idle = ['sleep', '1000000'] as const;

/** A pod, labelled `app: <name>`. It ends at once when it is deleted. */
export function pod(name: string, image: Image, shape: PodShape): object {
  return { apiVersion: 'v1', kind: 'Pod', ...podTemplate(name, image, shape) };
}

/** The same as the template of a Deployment or a Job. */
export function podTemplate(name: string, image: Image, { command, once, port, volumes = {} }: PodShape) {
  const mounts = Object.entries(volumes).map(([mountPath, volume], at) => {
    return { mount: { name: `volume-${at}`, mountPath }, volume: { name: `volume-${at}`, ...volume } };
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
    },
  };
}

/** A Service in front of the pods labelled `app: <app>`. */
export function service(name: string, app: string, port: number, type: 'ClusterIP' | 'NodePort'): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name },
    spec: { type, selector: { app }, ports: [{ port }] },
  };
}

export async function createPod(
  { api, home, image, signal }: Context,
  name: string,
  shape: PodShape,
): Promise<unknown> {
  return api.create(`${home}/pods`, pod(name, image, shape), signal);
}
