import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { hierarchies } from '../../../src/host/cgroup/hierarchies.ts';
import { inNamespaces } from '../../support/namespaces.ts';

const v1 = hierarchies().find(({ version, options }) => version === 1 && options.includes('freezer'));

// The hierarchy of version 2 is used where none of version 1 has the freezer.
test.each([
  ...(v1 === undefined ? [] : [['1', ':'] as const]),
  ['2', v1 === undefined ? ':' : `umount '${v1.root}'`] as const,
])(
  'a node stands still while it is frozen, goes on, and can be removed although it is: version %s',
  async (version, setUp) => {
    const name = `test-${randomBytes(4).toString('hex')}`;
    const result = await inNamespaces(
      setUp,
      `const { createNodeCgroup, joinNodeCgroup, removeNodeCgroup } = await use('host/cgroup/nodeCgroup.js');
       const { hierarchies } = await use('host/cgroup/hierarchies.js');
       const { freezeNode, isNodeFrozen, thawNode } = await use('host/cgroup/freezer.js');
       const { spawn } = await import('node:child_process');
       const { once } = await import('node:events');
       const { readFileSync } = await import('node:fs');
       const hasV1 = hierarchies().some(({ version, options }) => version === 1 && options.includes('freezer'));
       const child = spawn('sh', ['-c', 'while :; do :; done'], { stdio: 'ignore' });
       const ended = once(child, 'exit');
       const used = () => Number(readFileSync('/proc/' + child.pid + '/stat', 'utf8').split(' ')[13]);
       const usedMeanwhile = () => { const before = used(); sh('sleep 0.3'); return used() - before; };
       await createNodeCgroup('${name}');
       try {
         await joinNodeCgroup('${name}', [child.pid]);
         await freezeNode('${name}');
         const frozen = [await isNodeFrozen('${name}'), usedMeanwhile()];
         await thawNode('${name}');
         const thawed = [await isNodeFrozen('${name}'), usedMeanwhile() > 0];
         await freezeNode('${name}');
         await removeNodeCgroup('${name}');
         const [, signal] = await ended;
         return { version: hasV1 ? '1' : '2', frozen, thawed, signal };
       } finally {
         child.kill('SIGKILL');
         await removeNodeCgroup('${name}');
       }`,
    );
    expect(result).toEqual({ version, frozen: [true, 0], thawed: [false, true], signal: 'SIGKILL' });
  },
);
