import type { Component } from '../component.ts';
import { apiserver } from './apiserver.ts';
import { certificates } from './certificates.ts';
import { containerd } from './containerd.ts';
import { controllerManager } from './controllerManager.ts';
import { etcd } from './etcd.ts';
import type { NodeFacts } from './facts.ts';
import { images } from './images.ts';
import { kubelet } from './kubelet.ts';
import { kubeProxy } from './kubeProxy.ts';
import { defaultAccount, nodeMilestone, roles } from './milestones.ts';
import { pauseImage } from './pauseImage.ts';
import { scheduler } from './scheduler.ts';

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
