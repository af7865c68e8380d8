import type { Component } from '../engine/component.ts';
import { apiserver } from './components/apiserver.ts';
import { certificates } from './components/certificates.ts';
import { containerd } from './components/containerd.ts';
import { controllerManager } from './components/controllerManager.ts';
import { etcd } from './components/etcd.ts';
import type { NodeFacts } from './facts.ts';
import { images } from './images/images.ts';
import { kubelet } from './components/kubelet.ts';
import { kubeProxy } from './components/kubeProxy.ts';
import { defaultAccount, nodeMilestone, roles } from './components/milestones.ts';
import { pauseImage } from './images/pauseImage.ts';
import { scheduler } from './components/scheduler.ts';

/**
 * The whole node. An edge says that the one cannot usefully start before the other is ready; that it is not *ready*
 * before the other is no edge. So the kubelet needs containerd, not the apiserver: it registers when that answers.
 */
export function kubernetesNode(facts: NodeFacts): Component[] {
  const hasImages = facts.images.length > 0;
  const imageNeeds = ['pause-image', ...(hasImages ? ['images'] : [])];
  const components = [
    certificates(facts, []),
    etcd(facts, []),
    containerd(facts, []),
    pauseImage(facts, ['containerd']),
    images(facts, ['containerd']),
    apiserver(facts, ['pki', 'etcd']),
    roles(facts, [{ on: 'apiserver', condition: 'started' }]),
    kubelet(facts, ['pki', 'containerd']),
    controllerManager(facts, ['apiserver']),
    scheduler(facts, ['roles']),
    kubeProxy(facts, ['roles']),
    // Milestones: ready when Kubernetes says so, and no longer so while what they speak of is gone.
    defaultAccount(facts, [{ on: 'controller-manager', condition: 'started' }]),
    nodeMilestone(facts, [
      { on: 'apiserver', condition: 'started' },
      ...imageNeeds,
      { on: 'kubelet', whenLost: 'restart' },
    ]),
  ];
  const wanted: Readonly<Record<string, boolean>> = {
    'kube-proxy': facts.config.features.kubeProxy,
    images: hasImages,
  };
  return components.filter(({ name }) => wanted[name] ?? true);
}
