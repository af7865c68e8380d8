import { at } from '../../../probes/transport/json.ts';
import { Unhealthy } from '../../../probes/probe.ts';
import { PermanentFailure, type Check } from '../check.ts';
import { podTemplate } from '../objects.ts';
import { condition, describeObject } from '../podState.ts';

const name = 'job';

export const job: Check = {
  name,
  summary: 'a Job completes',
  needs: ['service-account'],
  deadlineMs: 90_000,
  run: async ({ api, namespace, image, signal, until }) => {
    const jobs = `/apis/batch/v1/namespaces/${namespace}/jobs`;
    const template = podTemplate(name, image, { command: ['sh', '-c', 'echo done'], once: true });
    const spec = { backoffLimit: 0, template };
    await api.create(jobs, { apiVersion: 'batch/v1', kind: 'Job', metadata: { name }, spec }, signal);
    await until('the Job', async (attemptSignal) => {
      const found = await api.get(`${jobs}/${name}`, attemptSignal);
      if (at(condition(found, 'Complete'), 'status') === 'True') return;
      const failed = condition(found, 'Failed');
      if (at(failed, 'status') === 'True') throw new PermanentFailure(`it failed: ${describeObject(failed)}`);
      const active = Number(at(found, 'status', 'active') ?? 0);
      throw new Unhealthy(active > 0 ? 'its pod has not ended yet' : 'it has no pod yet');
    });
  },
};
