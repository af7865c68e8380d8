import { closeSync, openSync, readSync } from 'node:fs';

/** e_machine by Node's process.arch, for the machines Kubernetes is built for (elf.h). */
const machines: Readonly<Record<number, string>> = {
  3: 'ia32',
  21: 'ppc64',
  22: 's390x',
  40: 'arm',
  62: 'x64',
  183: 'arm64',
  243: 'riscv64',
  258: 'loong64',
};

const programInterpreter = 3; // PT_INTERP

/** What a file is to the kernel that is asked to run it. */
export type Program =
  | { readonly kind: 'elf'; readonly arch: string; readonly static: boolean }
  | { readonly kind: 'script' }
  | { readonly kind: 'neither' };

/** Reads the head of a program, synchronously, as find.ts does its looks. Throws only when the file cannot be read. */
export function programOf(path: string): Program {
  const file = openSync(path, 'r');
  try {
    // The program headers directly follow the ELF header in everything a linker makes.
    const buffer = Buffer.alloc(4096);
    const head = buffer.subarray(0, readSync(file, buffer, 0, buffer.length, 0));
    if (head.subarray(0, 2).toString('latin1') === '#!') return { kind: 'script' };
    if (head.length < 64 || head.readUInt32BE(0) !== 0x7f454c46) return { kind: 'neither' };
    return readElf(head);
  } finally {
    closeSync(file);
  }
}

function readElf(head: Buffer): Program {
  const wide = head[4] === 2;
  const little = head[5] === 1;
  const half = (at: number) => (little ? head.readUInt16LE(at) : head.readUInt16BE(at));
  const word = (at: number) => (little ? head.readUInt32LE(at) : head.readUInt32BE(at));
  const machine = half(18);
  // The upper half of a 64-bit offset is never in use this early in a file.
  const table = wide ? word(little ? 32 : 36) : word(28);
  const [size, count] = wide ? [half(54), half(56)] : [half(42), half(44)];
  let interpreted = false;
  for (let at = table, i = 0; i < count && at + 4 <= head.length; i++, at += size) {
    if (word(at) === programInterpreter) interpreted = true;
  }
  return { kind: 'elf', arch: machines[machine] ?? `machine ${machine}`, static: !interpreted };
}
