import type { Check } from '../check.ts';
import { createPod } from '../objects.ts';
import { podReady } from '../podState.ts';
import { greeting, server } from '../reach.ts';

/** What it writes before it listens. */
export const firstWords = 'the server starts';

export const pod: Check = {
  name: server.name,
  summary: 'a pod is scheduled, runs, and becomes Ready by its readiness probe',
  needs: ['service-account'],
  deadlineMs: 90_000,
  run: async (context) => {
    const say = `echo ${firstWords}; echo '${greeting(context)}' > /tmp/index.html`;
    const command = ['sh', '-c', `${say}; exec httpd -f -p ${server.port} -h /tmp`];
    await createPod(context, server.name, { command, port: server.port });
    await context.until('the pod', podReady(context, server.name));
  },
};
