import { Unhealthy } from '../../../probes/probe.ts';
import { oneLine } from '../../../probes/transport/reason.ts';
import type { Check } from '../check.ts';
import { createPod, idle } from '../objects.ts';
import { podReady } from '../podState.ts';
import { clientPod } from '../reach.ts';

export const exec: Check = {
  name: clientPod,
  summary: 'a command runs in a pod and returns its output',
  needs: ['service-account'],
  deadlineMs: 90_000,
  run: async (context) => {
    await createPod(context, clientPod, { command: idle });
    await context.until('the pod', podReady(context, clientPod));
    await context.until('the command', async (signal) => {
      const output = await context.exec(clientPod, ['sh', '-c', 'echo "$((6 * 7))"'], signal);
      if (output.trim() !== '42') throw new Unhealthy(`its output is "${oneLine(output)}", not "42"`);
    });
  },
};
