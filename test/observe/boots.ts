import type { Event, EventBody } from '../../src/engine/component.ts';

/** When each of the boots below begins. */
export const begin = Date.UTC(2026, 0, 1);

/** An event `ms` after the boot began. */
export function at(ms: number, component: string, body: EventBody): Event {
  return { component, at: begin + ms, ...body };
}

export const stages = [
  { name: 'pki', needs: [] },
  { name: 'etcd', needs: ['pki'] },
  { name: 'apiserver', needs: [{ on: 'etcd', whenLost: 'keep' as const }] },
  { name: 'kubelet', needs: ['pki'] },
  { name: 'node', needs: ['apiserver', 'kubelet'] },
];

/** A successful boot: ready after 5.0 s. */
export const goodBoot: readonly Event[] = [
  at(0, 'pki', { type: 'starting', attempt: 1 }),
  at(0, 'etcd', { type: 'waiting', on: ['pki'] }),
  at(0, 'apiserver', { type: 'waiting', on: ['etcd'] }),
  at(0, 'kubelet', { type: 'waiting', on: ['pki'] }),
  at(0, 'node', { type: 'waiting', on: ['apiserver', 'kubelet'] }),
  at(300, 'pki', { type: 'ready', ms: 300 }),
  at(310, 'etcd', { type: 'starting', attempt: 1, pid: 11 }),
  at(310, 'kubelet', { type: 'starting', attempt: 1, pid: 12 }),
  at(800, 'etcd', { type: 'ready', ms: 490 }),
  at(810, 'apiserver', { type: 'starting', attempt: 1, pid: 13 }),
  at(900, 'apiserver', { type: 'probing', reason: 'connection refused' }),
  at(1500, 'kubelet', { type: 'ready', ms: 1190 }),
  at(1500, 'node', { type: 'waiting', on: ['apiserver'] }),
  at(4000, 'apiserver', { type: 'ready', ms: 3190 }),
  at(4010, 'node', { type: 'starting', attempt: 1 }),
  at(5000, 'node', { type: 'ready', ms: 990 }),
];

/** The apiserver exits twice and is given up, then the rest is stopped. */
export const crashLoop: readonly Event[] = [
  ...goodBoot.slice(0, 10),
  at(900, 'apiserver', { type: 'probing', reason: 'connect ECONNREFUSED 127.0.0.1:6443' }),
  at(1000, 'apiserver', {
    type: 'exited',
    reason: 'exited with code 1',
    lastLines: ['starting up', 'bad flag: --x'],
  }),
  at(1010, 'apiserver', { type: 'backoff', ms: 500, reason: 'exited with code 1: bad flag: --x' }),
  at(1510, 'apiserver', { type: 'starting', attempt: 2, pid: 14 }),
  at(1600, 'apiserver', {
    type: 'exited',
    reason: 'exited with code 1',
    lastLines: ['starting up', 'bad flag: --x'],
  }),
  at(1610, 'apiserver', { type: 'failed', reason: 'exited with code 1: bad flag: --x' }),
  at(1620, 'kubelet', { type: 'stopping' }),
  at(1630, 'apiserver', { type: 'stopped' }),
  at(1700, 'kubelet', { type: 'stopped' }),
  at(1710, 'node', { type: 'stopped' }),
  at(1720, 'etcd', { type: 'stopping' }),
  at(1800, 'etcd', { type: 'stopped' }),
  at(1810, 'pki', { type: 'stopped' }),
];
