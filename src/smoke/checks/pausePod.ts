import type { Check } from '../check.ts';
import { podReady } from '../podState.ts';

const name = 'pause-pod';

/** For a cluster of whose images nothing is known but that one runs by itself. Not a part of the smoke test. */
export const pausePod: Check = {
  name,
  summary: 'a pod is scheduled and runs',
  needs: ['service-account'],
  deadlineMs: 90_000,
  run: async (context) => {
    const { api, namespacePath, image, signal } = context;
    await api.create(
      `${namespacePath}/pods`,
      {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name },
        spec: {
          terminationGracePeriodSeconds: 0,
          containers: [{ name: 'main', image: image.name, imagePullPolicy: image.pull }],
        },
      },
      signal,
    );
    await context.until('the pod', podReady(context, name));
  },
};
