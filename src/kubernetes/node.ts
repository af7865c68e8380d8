import type { Component } from '../engine/component.ts';
import { addons } from './components/addons.ts';
import { transitiveDependents } from '../engine/graph.ts';
import { apiserver } from './components/apiserver.ts';
import { certificates, renewing } from './components/certificates.ts';
import { dns } from './components/dns.ts';
import { containerd } from './components/containerd.ts';
import { controllerManager } from './components/controllerManager.ts';
import { egress } from './components/egress.ts';
import { etcd } from './components/etcd.ts';
import { helper, loadBalancerRemoval, routes, storageRemoval, workerHelper } from './components/helper.ts';
import { etcdSpace } from './components/etcdSpace.ts';
import { externalEtcd, externalEtcdMembers } from './components/externalEtcd.ts';
import { initialObjects } from './components/initialObjects.ts';
import { clientCertificate, joinFiles, podNetwork, workerMilestone } from './components/joining.ts';
import { kubelet } from './components/kubelet.ts';
import { kubeProxy } from './components/kubeProxy.ts';
import { defaultAccount, nodeMilestone, roles } from './components/milestones.ts';
import { claimNodeName, nodeName } from './components/nodeName.ts';
import { scheduler } from './components/scheduler.ts';
import { secretsEncryption } from './components/secretsEncryption.ts';
import { snapshots } from './components/snapshots.ts';
import { inotifyRemedy } from '../host/inotify.ts';
import { SecretsEncryption } from './encryption.ts';
import type { NodeFacts } from './facts.ts';
import type { Joining } from './join/membership.ts';
import { images } from './images/images.ts';
import { pauseImage } from './images/pauseImage.ts';

/**
 * The whole node. Each component starts as soon as the components that it needs are ready.
 *
 * A component needs another only if it cannot usefully start before the other is ready. That it becomes ready
 * later is no reason: the kubelet needs containerd but not the API server, because it registers the node
 * whenever the API server answers.
 */
export function kubernetesNode(facts: NodeFacts): Component[] {
  const encryption = new SecretsEncryption(facts.paths, facts.config.encryption);
  const isOwnEtcd = facts.config.etcd.endpoints === undefined;
  // With an etcd of others they elect a leader, and end when they cannot: they have nothing to do before that works again.
  const election = isOwnEtcd ? [] : ['etcd'];
  // What speaks in the name of the node waits until it is its own.
  const named = isOwnEtcd ? [] : ['node-name'];
  const all = [
    certificates(facts, []),
    ...(isOwnEtcd ? ownEtcd(facts) : [externalEtcd(facts, ['pki']), externalEtcdMembers(facts)]),
    containerd(facts, []),
    pauseImage(facts, ['containerd']),
    images(facts, ['containerd']),
    apiserver(facts, encryption, ['pki', 'etcd']),
    roles(facts, [{ on: 'apiserver', condition: 'started' }]),
    kubelet(facts, ['pki', 'containerd', ...named]),
    isOwnEtcd ? undefined : nodeName(facts, [{ on: 'apiserver', condition: 'started' }]),
    controllerManager(facts, ['apiserver', ...election]),
    scheduler(facts, ['roles', ...election]),
    kubeProxy(facts, ['roles', ...named]),
    // No other component needs it, not even the milestone `node`: it delays no pod that does not ask for a name.
    // With `roles`, so that the process starts while the API server sleeps, and the boot never waits for it.
    isOwnEtcd || facts.dns.kind !== 'none' ? dns(facts, ['roles', ...named]) : undefined,
    helper(facts, ['roles', ...named]),
    routes(facts, facts.dns.kind === 'embedded' ? 'dns' : 'helper'),
    // In the cluster of several nodes, another one may have made it.
    ...(isOwnEtcd ? [storageRemoval(facts, ['apiserver']), loadBalancerRemoval(facts, ['apiserver'])] : []),
    // Nothing waits for it: what needs the outside tries again.
    egress(facts, []),
    secretsEncryption(facts, encryption, [{ on: 'apiserver', whenLost: 'restart' }]),
    // What is taken before the roles are there is of no use.
    snapshots(facts, ['roles']),
    // Milestones run no process: they are ready when the API reports a state.
    defaultAccount(facts, ['roles']),
    nodeMilestone(
      facts,
      [
        { on: 'apiserver', condition: 'started' },
        'pause-image',
        'images',
        { on: 'kubelet', whenLost: 'restart' },
      ],
      isOwnEtcd ? undefined : claimNodeName(facts),
    ),
    // A pod made before the node is ready, or before its account, would be refused or tried again only later.
    ...addons(facts, ['apiserver', 'node', 'default-account']),
  ];
  const components = all.filter((each) => each !== undefined);
  const renewed = renewing(facts);
  const users = new Set(transitiveDependents(components, 'pki'));
  const withRenewal = (component: Component): Component => {
    if (component.kind === 'task' || !users.has(component.name)) return component;
    return { ...component, command: renewed(component.command) };
  };
  return components.map(withRenewal).map(withDiagnosis);
}

/** The etcd of the node, and what is done in it. */
function ownEtcd(facts: NodeFacts): readonly (Component | undefined)[] {
  return [
    etcd(facts, []),
    etcdSpace(facts, [{ on: 'etcd', condition: 'started' }]),
    // The API server, which starts meanwhile, makes what it does not find.
    initialObjects(facts, ['etcd']),
  ];
}

interface WorkerOptions {
  /** Called when the node takes pods for the first time. */
  readonly onJoined?: () => void;
  /** Its components may have been started by an earlier supervisor. */
  readonly isTakenOver?: boolean;
}

/**
 * A worker: the same components without a control plane. Its kubelet asks for a certificate with the token; with that certificate, and
 * no other, this machine is a client of the API.
 */
export function kubernetesWorker(
  facts: NodeFacts,
  joining: Joining,
  { onJoined = () => undefined, isTakenOver = false }: WorkerOptions = {},
): Component[] {
  const all = [
    joinFiles(facts, joining, []),
    containerd(facts, []),
    pauseImage(facts, ['containerd']),
    images(facts, ['containerd']),
    kubelet(facts, ['join', 'containerd']),
    clientCertificate(facts, [{ on: 'kubelet', condition: 'started' }]),
    // The control plane gives the range to a node that is registered.
    podNetwork(facts, ['client-certificate']),
    kubeProxy(facts, ['client-certificate']),
    // It makes the routes to the pods of other nodes.
    workerHelper(facts, ['client-certificate']),
    routes(facts, 'helper'),
    workerMilestone(facts, ['pod-network', 'pause-image', 'images', { on: 'kubelet', whenLost: 'restart' }], {
      onReady: onJoined,
      isTakenOver,
    }),
  ];
  return all.filter((each) => each !== undefined).map(withDiagnosis);
}

/** A flag that a program does not take: only the config can have added it, and no restart removes it. */
const badFlag =
  /\bunknown (?:shorthand )?flag|\bflag provided but not defined|\binvalid (?:argument|value) .* for /;

/** Adds what is the same for all programs: a flag that it does not take, and a machine without inotify instances. */
function withDiagnosis(component: Component): Component {
  if (component.kind === 'task') return component;
  const { name, diagnose } = component;
  const correct = `correct the arguments: components.${name}.args in the config`;
  return {
    ...component,
    diagnose: (reason, lastLines) => {
      const own = diagnose?.(reason, lastLines);
      const remedy = own?.remedy ?? inotifyRemedy(reason);
      if (remedy !== undefined) return { isPermanent: false, ...own, remedy };
      return own ?? (badFlag.test(reason) ? { isPermanent: true, remedy: correct } : undefined);
    },
  };
}
