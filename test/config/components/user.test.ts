import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { lookUpUser } from '../../../src/config/components/user.ts';

let etc = '';
beforeAll(async () => {
  etc = await mkdtemp(join(tmpdir(), 'k8s-single-etc-'));
  await writeFile(join(etc, 'passwd'), 'root:x:0:0:root:/root:/bin/sh\nweb:x:33:44::/var/www:/bin/false\n');
  await writeFile(join(etc, 'group'), 'root:x:0:\nlogs:x:55:web\n');
});
afterAll(async () => rm(etc, { recursive: true }));

test.each([
  ['web', { uid: 33, gid: 44 }],
  ['33', { uid: 33, gid: 44 }],
  ['web:logs', { uid: 33, gid: 55 }],
  ['1000:1001', { uid: 1000, gid: 1001 }],
  ['root', { uid: 0, gid: 0 }],
])('%s', async (user, ids) => {
  expect(await lookUpUser(user, etc)).toEqual(ids);
});

test.each([
  ['nobody', 'there is no user "nobody" in '],
  ['web:nogroup', 'there is no group "nogroup" in '],
  ['1000', /^user 1000 is not in .*\/passwd, so it needs a group: write 1000:GROUP$/],
])('%s is refused', async (user, message) => {
  await expect(lookUpUser(user, etc)).rejects.toThrow(message);
});
