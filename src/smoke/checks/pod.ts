import type { Check } from '../check.ts';
import { createPod } from '../objects.ts';
import { podReady } from '../podState.ts';
import { greeting, serverPod } from '../reach.ts';

/** Written before the server listens. */
export const firstLogLine = 'the server starts';

export const pod: Check = {
  name: serverPod.name,
  summary: 'a pod is scheduled, runs, and becomes Ready by its readiness probe',
  needs: ['service-account'],
  deadlineMs: 90_000,
  run: async (context) => {
    const prepare = `echo ${firstLogLine}; echo '${greeting(context)}' > /tmp/index.html`;
    const command = ['sh', '-c', `${prepare}; exec httpd -f -p ${serverPod.port} -h /tmp`];
    await createPod(context, serverPod.name, { command, port: serverPod.port });
    await context.until('the pod', podReady(context, serverPod.name));
  },
};
