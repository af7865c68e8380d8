import { readFile } from 'node:fs/promises';

/** The numeric ids of a user. */
export interface UserIds {
  readonly uid: number;
  readonly gid: number;
}

/**
 * The ids of `USER` or `USER:GROUP`, each a name or a number; the default group is the user's primary group. Supplementary
 * groups are not included. `etc` is the directory of passwd and group.
 * @throws Error for an unknown user or group.
 */
export async function lookUpUser(user: string, etc = '/etc'): Promise<UserIds> {
  const [name = '', group] = user.split(':');
  const account = await findEntry(`${etc}/passwd`, name);
  const uid = account?.[2] ?? numeric(name);
  if (uid === undefined) throw new Error(`there is no user "${name}" in ${etc}/passwd`);
  if (group === undefined) {
    if (account === undefined)
      throw new Error(`user ${name} is not in ${etc}/passwd, so it needs a group: write ${name}:GROUP`);
    return { uid: Number(uid), gid: Number(account[3]) };
  }
  const gid = (await findEntry(`${etc}/group`, group))?.[2] ?? numeric(group);
  if (gid === undefined) throw new Error(`there is no group "${group}" in ${etc}/group`);
  return { uid: Number(uid), gid: Number(gid) };
}

/** The fields of the line with this name or number (passwd(5), group(5)). */
async function findEntry(file: string, nameOrId: string): Promise<readonly string[] | undefined> {
  const lines = (await readFile(file, 'utf8')).split('\n').map((line) => line.split(':'));
  return lines.find(([name]) => name === nameOrId) ?? lines.find(([, , id]) => id === nameOrId);
}

function numeric(text: string): string | undefined {
  return /^\d+$/.test(text) ? text : undefined;
}
