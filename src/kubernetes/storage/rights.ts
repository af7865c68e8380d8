import type { Probe } from '../../../probes/probe.ts';
import { ownLabel } from '../../helper/cluster/objects.ts';
import { grantRights, withdrawAll } from '../components/rights.ts';
import type { NodeFacts } from '../facts.ts';

const name = 'k8s-single:storage';
const classes = '/apis/storage.k8s.io/v1/storageclasses';

/** What the provisioner does: see src/helper/storage/provisioner.ts. */
const rules = [
  { apiGroups: [''], resources: ['persistentvolumes'], verbs: ['list', 'watch', 'create', 'delete'] },
  // A claim that cannot be served on the node that was selected is given back to the scheduler.
  { apiGroups: [''], resources: ['persistentvolumeclaims'], verbs: ['list', 'watch', 'patch'] },
  { apiGroups: [''], resources: ['events'], verbs: ['create'] },
  {
    apiGroups: ['storage.k8s.io'],
    resources: ['storageclasses'],
    verbs: ['list', 'watch', 'create', 'patch'],
  },
];

/** Gives the helper the rights of the provisioner. */
export function grantStorage(facts: NodeFacts): Probe {
  return grantRights(facts, name, rules);
}

/** Removes the class and the rights of an earlier start. Volumes stay. */
export function withdrawStorage(facts: NodeFacts): Probe {
  const selector = encodeURIComponent(`${ownLabel.name}=${ownLabel.value}`);
  return withdrawAll(facts, [`${classes}?labelSelector=${selector}`], name);
}
