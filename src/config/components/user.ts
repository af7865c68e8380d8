import { readFile } from 'node:fs/promises';

/** The numbers the kernel knows a user by. */
export interface Ids {
  readonly uid: number;
  readonly gid: number;
}

/**
 * The numbers of `USER` or `USER:GROUP`, each a name or a number; without a group, the user's own. The process gets no
 * supplementary groups. `etc` is the folder of passwd and group.
 * @throws Error when the machine knows no such user or group.
 */
export async function idsOf(user: string, etc = '/etc'): Promise<Ids> {
  const [name = '', group] = user.split(':');
  const account = await find(`${etc}/passwd`, name);
  const uid = account?.[2] ?? numeric(name);
  if (uid === undefined) throw new Error(`there is no user "${name}" in ${etc}/passwd`);
  if (group === undefined) {
    if (account === undefined) throw new Error(`user ${name} has no group here: write ${name}:GROUP`);
    return { uid: Number(uid), gid: Number(account[3]) };
  }
  const gid = (await find(`${etc}/group`, group))?.[2] ?? numeric(group);
  if (gid === undefined) throw new Error(`there is no group "${group}" in ${etc}/group`);
  return { uid: Number(uid), gid: Number(gid) };
}

/** The fields of the line whose name, or number, is `wanted` (passwd(5), group(5)). */
async function find(file: string, wanted: string): Promise<readonly string[] | undefined> {
  const lines = (await readFile(file, 'utf8')).split('\n').map((line) => line.split(':'));
  return lines.find(([name]) => name === wanted) ?? lines.find(([, , id]) => id === wanted);
}

function numeric(text: string): string | undefined {
  return /^\d+$/.test(text) ? text : undefined;
}
