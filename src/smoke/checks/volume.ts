import { at, listAt, textAt } from '../../../probes/transport/json.ts';
import { Unhealthy } from '../../../probes/probe.ts';
import { NotApplicable, type Check, type Context } from '../check.ts';
import { createPod } from '../objects.ts';
import { podSucceeded, podWrote } from '../podState.ts';

const name = 'volume';
const isDefault = 'storageclass.kubernetes.io/is-default-class';

export const volume: Check = {
  name,
  summary: 'a pod reads from a volume what an earlier pod wrote',
  needs: ['service-account'],
  deadlineMs: 120_000,
  run: async (context) => {
    const { api, namespacePath, signal, until } = context;
    await requireStorage(context);
    const claim = {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '16Mi' } } },
    };
    await api.create(`${namespacePath}/persistentvolumeclaims`, claim, signal);
    const volumes = { '/data': { persistentVolumeClaim: { claimName: name } } };
    const writer = `${name}-writer`;
    const write = ['sh', '-c', 'echo kept > /data/file'];
    await createPod(context, writer, { command: write, once: true, volumes });
    await until('the pod that writes', podSucceeded(context, writer));
    await api.remove(`${namespacePath}/pods/${writer}`, signal);
    await until('the removal of that pod', async (attemptSignal) => {
      const found = await api.find(`${namespacePath}/pods/${writer}`, attemptSignal);
      if (found !== undefined) throw new Unhealthy('it is still there');
    });

    const reader = `${name}-reader`;
    await createPod(context, reader, { command: ['cat', '/data/file'], once: true, volumes });
    await until('the pod that reads', podSucceeded(context, reader));
    await until('the log of that pod', podWrote(context, reader, 'kept\n'));
  },
};

/** The check needs a default StorageClass, and one that deletes its volumes. */
async function requireStorage({ api, signal }: Context): Promise<void> {
  const classes = listAt(await api.get('/apis/storage.k8s.io/v1/storageclasses', signal), 'items');
  const found = classes.find((each) => at(each, 'metadata', 'annotations', isDefault) === 'true');
  if (found === undefined)
    throw new NotApplicable('storage is not installed: there is no default StorageClass');
  if (textAt(found, 'reclaimPolicy') === 'Retain') {
    const className = textAt(found, 'metadata', 'name');
    throw new NotApplicable(
      `the default StorageClass ${className} retains its volumes: the test would leave one behind`,
    );
  }
}
