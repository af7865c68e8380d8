import { closeSync, openSync, readSync } from 'node:fs';

/** Node's process.arch by e_machine (elf.h), for the machines that Kubernetes is built for. */
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

/** Go's name of an architecture, by Node's. */
export function archName(arch: string): string {
  return { x64: 'amd64', ia32: '386', ppc64: 'ppc64le', loong64: 'loong64' }[arch] ?? arch;
}

const programInterpreter = 3; // PT_INTERP

/** How the kernel would execute a file. */
export type Program =
  | { readonly kind: 'elf'; readonly arch: string; readonly static: boolean }
  | { readonly kind: 'script' }
  | { readonly kind: 'neither' };

/** Reads the head of a program, synchronously like findBinaries. Throws only when the file cannot be read. */
export function programOf(path: string): Program {
  const file = openSync(path, 'r');
  try {
    // Linkers put the program headers directly after the ELF header.
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
  const is64Bit = head[4] === 2;
  const isLittleEndian = head[5] === 1;
  const half = (at: number) => (isLittleEndian ? head.readUInt16LE(at) : head.readUInt16BE(at));
  const word = (at: number) => (isLittleEndian ? head.readUInt32LE(at) : head.readUInt32BE(at));
  const machine = half(18);
  // The upper half of a 64-bit offset is always 0 so early in a file.
  const table = is64Bit ? word(isLittleEndian ? 32 : 36) : word(28);
  const [size, count] = is64Bit ? [half(54), half(56)] : [half(42), half(44)];
  let hasInterpreter = false;
  for (let at = table, i = 0; i < count && at + 4 <= head.length; i++, at += size) {
    if (word(at) === programInterpreter) hasInterpreter = true;
  }
  return { kind: 'elf', arch: machines[machine] ?? `machine ${machine}`, static: !hasInterpreter };
}
