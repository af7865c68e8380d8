import { Unhealthy } from '../../../probes/probe.ts';
import { oneLine } from '../../../probes/transport/reason.ts';
import type { Check } from '../check.ts';
import { createPod, idle } from '../objects.ts';
import { podReady } from '../podState.ts';
import { client } from '../reach.ts';

export const exec: Check = {
  name: client,
  summary: 'a command runs in a pod, and its output comes back',
  needs: ['service-account'],
  deadlineMs: 90_000,
  run: async (context) => {
    await createPod(context, client, { command: idle });
    await context.until('the pod', podReady(context, client));
    await context.until('the command', async (signal) => {
      const said = await context.exec(client, ['sh', '-c', 'echo "$((6 * 7))"'], signal);
      if (said.trim() !== '42') throw new Unhealthy(`"${oneLine(said)}" came back instead of "42"`);
    });
  },
};
