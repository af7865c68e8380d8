import { execa } from 'execa';
import { expect, test } from 'vitest';
import { join } from 'node:path';

const cgroup = join(import.meta.dirname, '../../../dist/src/host/cgroup/nodeCgroup.js');

/**
 * Runs a program with cgroups of version 2 only, whose root cgroup is not the real one, as in a container. `$group` is that root
 * as seen on the machine, with all the controllers of version 2. One more process is in it.
 */
async function inContainer(program: string): Promise<string> {
  const inside = `
    umount -n --recursive --lazy /sys/fs/cgroup
    mount -n -t cgroup2 cgroup2 /sys/fs/cgroup
    sleep infinity & other=$!
    '${process.execPath}' --input-type=module -e "$PROGRAM" $other || code=$?
    kill $other
    exit \${code:-0}`;
  const outside = `set -e
    tree=$(mktemp -d)
    mount -n -t cgroup2 cgroup2 $tree
    group=$tree/k8s-single-test-$$
    mkdir $group
    for name in $(cat $tree/cgroup.controllers); do echo +$name > $tree/cgroup.subtree_control; done
    sh -c 'echo $$ > "$0"/cgroup.procs; exec unshare --cgroup --mount sh -ec "$1"' $group "$INSIDE" || code=$?
    # The processes that were killed last may still be exiting.
    while grep -q 'populated 1' $group/cgroup.events; do :; done
    find $group -depth -type d -exec rmdir {} +
    umount -n $tree
    rmdir $tree
    exit \${code:-0}`;
  const options = { env: { INSIDE: inside, PROGRAM: program } };
  return (await execa('unshare', ['--mount', 'sh', '-c', outside], options)).stdout;
}

test('in a container with cgroups of version 2, the processes leave its root cgroup, and the node gets all controllers', async () => {
  const program = `
    import { readFileSync } from 'node:fs';
    const { createNodeCgroup, joinNodeCgroup, leaveNodeCgroup, ownCgroups, removeNodeCgroup } = await import('${cgroup}');
    const read = (path) => readFileSync(path, 'utf8').trim();
    const groupOf = (pid) => read('/proc/' + pid + '/cgroup').split('\\n').find((line) => line.startsWith('0:')).slice(3);
    await createNodeCgroup('x');
    const before = ownCgroups();
    await joinNodeCgroup('x');
    const root = '/sys/fs/cgroup';
    const seen = {
      other: groupOf(process.argv[1]),
      own: groupOf(process.pid),
      inRoot: read(root + '/cgroup.procs'),
      available: read(root + '/cgroup.controllers'),
      enabled: read(root + '/k8s-single-x/cgroup.subtree_control'),
    };
    await leaveNodeCgroup(before);
    await removeNodeCgroup('x');
    console.log(JSON.stringify({ ...seen, left: groupOf(process.pid) }));`;
  const seen = JSON.parse(await inContainer(program)) as Record<string, string>;
  expect(seen['enabled']).toBe(seen['available']);
  expect(seen['own']).toBe('/k8s-single-x/supervisor');
  // Without controllers of version 2, no process has to move.
  const moved = seen['available'] !== '';
  expect([seen['other'], seen['left']]).toEqual(moved ? ['/init', '/init'] : ['/', '/']);
  if (moved) expect(seen['inRoot']).toBe('');
});

test('a process returns to the cgroup in which systemd has started it', async () => {
  const program = `
    import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
    const { createNodeCgroup, joinNodeCgroup, leaveNodeCgroup, ownCgroups, removeNodeCgroup } = await import('${cgroup}');
    const unit = '/sys/fs/cgroup/system.slice/node.service';
    mkdirSync(unit, { recursive: true });
    writeFileSync(unit + '/cgroup.procs', String(process.pid));
    await createNodeCgroup('x');
    const before = ownCgroups();
    await joinNodeCgroup('x');
    await leaveNodeCgroup(before);
    await removeNodeCgroup('x');
    console.log(readFileSync('/proc/self/cgroup', 'utf8').split('\\n').find((line) => line.startsWith('0:')));`;
  expect(await inContainer(program)).toBe('0::/system.slice/node.service');
});
