import { AsyncLocalStorage } from 'node:async_hooks';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { sep } from 'node:path';

// Wraps every function of node:fs that changes files, so that one of the calls fails: see fsFaults.d.mts. By AsyncLocalStorage, so
// that only the work with the fault meets it.

const original = { ...fs, promises: { ...fs.promises } };
/** The fault of the work that calls; undefined outside of one, and while Node.js itself carries out a call by others. */
const current = new AsyncLocalStorage();

export async function withFault({ root, at, mode }, work) {
  const fault = { root, at, mode, count: 0, hit: undefined, isStopped: false };
  let error;
  try {
    await current.run(fault, async () => work());
  } catch (cause) {
    error = cause;
  }
  // What goes on in the background belongs to this attempt, not to the next one.
  fault.isStopped = true;
  return { hit: fault.hit, error };
}

function pathOf(target) {
  const fd = typeof target === 'number' ? target : target?.fd;
  if (typeof fd !== 'number') return target;
  try {
    return original.readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return '';
  }
}

function failed(fault, name, path) {
  fault.hit ??= `${name} ${path}`;
  if (fault.mode === 'kill') process.kill(process.pid, 'SIGKILL');
  if (fault.mode === 'stop') fault.isStopped = true;
  const error = new Error(`ENOSPC: no space left on device, ${name} '${path}'`);
  return Object.assign(error, { errno: -28, code: 'ENOSPC', syscall: name, path: String(path) });
}

const contentOf = (data) =>
  typeof data === 'string'
    ? Buffer.from(data)
    : ArrayBuffer.isView(data)
      ? Buffer.from(data.buffer, data.byteOffset, data.byteLength)
      : undefined;

/** Writes half of the content by `write`, as a disk that becomes full does. */
function half(content, write) {
  const bytes = contentOf(content);
  if (bytes === undefined) return false;
  write(bytes.subarray(0, Math.floor(bytes.length / 2)));
  return true;
}

/** The error to throw instead of the call; undefined to go on. */
function check(name, args) {
  const fault = current.getStore();
  if (fault === undefined) return undefined;
  const isOurs = (each) => {
    const text = each instanceof URL ? each.pathname : String(each);
    return text === fault.root || text.startsWith(`${fault.root}${sep}`);
  };
  const isNext = () => (fault.count += 1) === fault.at;
  const target = pathOf(args[0]);
  const paths = ['rename', 'link', 'symlink', 'copyFile', 'cp'].includes(name) ? args.slice(0, 2) : [target];
  if (!paths.some(isOurs)) return undefined;
  const path = paths.findLast(isOurs);
  if (name === 'open') {
    const flags = args[1] ?? 'r';
    const { O_CREAT, O_TRUNC } = original.constants;
    const changes =
      typeof flags === 'string' ? flags !== 'r' && flags !== 'r+' : (flags & (O_CREAT | O_TRUNC)) !== 0;
    if (!changes) return undefined;
    return fault.isStopped || isNext() ? failed(fault, name, path) : undefined;
  }
  if (fault.isStopped || isNext()) return failed(fault, name, path);
  if (name === 'writeFile' || name === 'appendFile') {
    const [file, data, options] = args;
    if (!isNext()) return undefined;
    const more = typeof options === 'string' ? { encoding: options } : (options ?? {});
    half(data, (bytes) => original[`${name}Sync`](file?.fd ?? file, bytes, { ...more, encoding: undefined }));
    return failed(fault, name, path);
  }
  if (name === 'write' || name === 'writev') {
    const [file, data, offset, length, position] = args;
    if (!isNext()) return undefined;
    const fd = file?.fd ?? file;
    if (name === 'writev')
      half(Buffer.concat(data), (bytes) => original.writeSync(fd, bytes, 0, bytes.length, offset));
    else if (typeof data === 'string') half(data, (bytes) => original.writeSync(fd, bytes));
    else
      half(data.subarray(offset ?? 0, (offset ?? 0) + (length ?? data.length)), (bytes) =>
        original.writeSync(fd, bytes, 0, bytes.length, position),
      );
    return failed(fault, name, path);
  }
  if (name === 'copyFile') {
    if (!isNext()) return undefined;
    if (((args[2] ?? 0) & original.constants.COPYFILE_FICLONE_FORCE) === 0)
      half(original.readFileSync(args[0]), (bytes) => original.writeFileSync(args[1], bytes));
    return failed(fault, name, path);
  }
  if (name === 'rm' || name === 'cp') {
    // A tree is removed or copied one file after the other.
    const [from, to] = args;
    if (!original.lstatSync(from, { throwIfNoEntry: false })?.isDirectory() || !isNext()) return undefined;
    const names = original.readdirSync(from);
    for (const each of names.slice(0, Math.ceil(names.length / 2)))
      if (name === 'rm') original.rmSync(`${from}/${each}`, { recursive: true, force: true });
      else original.cpSync(`${from}/${each}`, `${to}/${each}`, { recursive: true });
    return failed(fault, name, path);
  }
  return undefined;
}

const names =
  'open write writev writeFile appendFile rename link symlink mkdir mkdtemp chmod chown lchown fchmod fchown rm rmdir unlink truncate ftruncate copyFile cp utimes futimes fsync fdatasync'.split(
    ' ',
  );

for (const name of names) {
  const plain = { fchmod: 'chmod', fchown: 'chown', ftruncate: 'truncate', futimes: 'utimes' }[name] ?? name;
  if (original[`${name}Sync`] !== undefined) {
    fs[`${name}Sync`] = (...args) => {
      const error = check(plain, args);
      if (error !== undefined) throw error;
      return current.run(undefined, () => original[`${name}Sync`](...args));
    };
  }
  if (original[name] !== undefined) {
    fs[name] = (...args) => {
      const error = check(plain, args);
      if (error === undefined) return original[name](...args);
      process.nextTick(args.at(-1), error);
      return undefined;
    };
  }
  if (original.promises[name] !== undefined) {
    fs.promises[name] = async (...args) => {
      const error = check(plain, args);
      if (error !== undefined) throw error;
      return current.run(undefined, async () => original.promises[name](...args));
    };
  }
}

const handle = await original.promises.open('/dev/null', 'r');
const methods = Object.getPrototypeOf(handle);
await handle.close();
for (const name of [
  'write',
  'writev',
  'writeFile',
  'appendFile',
  'truncate',
  'chmod',
  'chown',
  'utimes',
  'sync',
  'datasync',
]) {
  const method = methods[name];
  methods[name] = async function (...args) {
    const error = check({ sync: 'fsync', datasync: 'fsync' }[name] ?? name, [this, ...args]);
    if (error !== undefined) throw error;
    return current.run(undefined, async () => method.apply(this, args));
  };
}
syncBuiltinESMExports();
