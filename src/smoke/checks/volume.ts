import { at, listAt, textAt } from '../../../probes/transport/json.ts';
import { Unhealthy } from '../../../probes/probe.ts';
import { NotApplicable, type Check, type Context } from '../check.ts';
import { createPod } from '../objects.ts';
import { podSucceeded, podWrote } from '../podState.ts';

const name = 'volume';
const isDefault = 'storageclass.kubernetes.io/is-default-class';

export const volume: Check = {
  name,
  summary: 'what one pod writes to a volume, a later one reads',
  needs: ['service-account'],
  deadlineMs: 120_000,
  run: async (context) => {
    const { api, home, signal, until } = context;
    await refuseWithoutStorage(context);
    const claim = {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '16Mi' } } },
    };
    await api.create(`${home}/persistentvolumeclaims`, claim, signal);
    const volumes = { '/data': { persistentVolumeClaim: { claimName: name } } };
    const writer = `${name}-writer`;
    const write = ['sh', '-c', 'echo kept > /data/file'];
    await createPod(context, writer, { command: write, once: true, volumes });
    await until('the pod that writes', podSucceeded(context, writer));
    await api.remove(`${home}/pods/${writer}`, signal);
    await until('its end', async (lookSignal) => {
      const found = await api.find(`${home}/pods/${writer}`, lookSignal);
      if (found !== undefined) throw new Unhealthy('the pod is still there');
    });

    const reader = `${name}-reader`;
    await createPod(context, reader, { command: ['cat', '/data/file'], once: true, volumes });
    await until('the pod that reads', podSucceeded(context, reader));
    await until('the log of that', podWrote(context, reader, 'kept\n'));
  },
};

/** Storage is installed when a claim that asks for nothing special gets a volume, and leaves nothing behind. */
async function refuseWithoutStorage({ api, signal }: Context): Promise<void> {
  const classes = listAt(await api.get('/apis/storage.k8s.io/v1/storageclasses', signal), 'items');
  const found = classes.find((each) => at(each, 'metadata', 'annotations', isDefault) === 'true');
  if (found === undefined)
    throw new NotApplicable('storage is not installed: there is no default StorageClass');
  if (textAt(found, 'reclaimPolicy') === 'Retain') {
    const called = textAt(found, 'metadata', 'name');
    throw new NotApplicable(`the default StorageClass ${called} retains its volumes: ours would stay behind`);
  }
}
