import { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { Duplex } from 'node:stream';
import type { Snapshotter } from '../host/snapshotter.ts';
import { descriptors, removeSandboxMark } from './sandboxSpec.ts';
import type { Addresses, SandboxSpec } from './sandboxSpec.ts';

// The pipe between the launcher on the host and the process in the sandbox, one line per message:
//
//     {...}        the boot message, as soon as the addresses are known
//     provisioned  mounts, network and cgroup are ready
//     SIGTERM ...  raise this signal
//     detach       the launcher leaves and the node lives on
//
// End of file without `detach`: the launcher is gone.

const provisioned = 'provisioned';
const detach = 'detach';

/** The one message that the process in a sandbox receives. */
export interface BootMessage {
  readonly spec: SandboxSpec;
  readonly addresses: Addresses;
  /** The snapshotter that the file system of containerd's data allows. */
  readonly snapshotter: Snapshotter;
  /** What the process is to do: JSON that the sandbox does not look into. */
  readonly task: unknown;
}

/** The launcher's end. Whatever is sent after {@link close}, or to a process that has ended, is dropped. */
export class BootSender {
  readonly #pipe: Duplex;

  constructor(pipe: Duplex) {
    this.#pipe = pipe;
    // A process that has just ended explains itself by its exit code.
    pipe.on('error', () => undefined);
  }

  get isClosed(): boolean {
    return this.#pipe.writableEnded;
  }

  boot(message: BootMessage): void {
    this.#send(JSON.stringify(message));
  }

  provisioned(): void {
    this.#send(provisioned);
  }

  signal(signal: NodeJS.Signals): void {
    this.#send(signal);
  }

  /** Lets the node live on without this process. Resolves when the message is out, or the node has ended before. */
  async detach(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#pipe.end(`${detach}\n`, () => resolve());
    });
    // Its readable side would keep this process alive.
    this.#pipe.destroy();
  }

  /** Ends the node, also one that has not received its boot message yet. */
  close(): void {
    this.#pipe.end();
  }

  #send(line: string): void {
    if (!this.isClosed) this.#pipe.write(`${line}\n`);
  }
}

/** What a process in a sandbox knows of it. */
export interface ReceivedBoot extends BootMessage {
  /** Resolves when the sandbox is provisioned. @throws LauncherGone when it will not be. */
  readonly provisioned: Promise<void>;
  /**
   * From now on raises in this process each signal that the launcher sends, and SIGTERM when the launcher is gone without
   * `detach`: the node never outlives a foreground `up`. Install the signal handlers before. Does not keep the process alive.
   */
  readonly followLauncher: () => void;
}

/** The launcher is gone or has given up. Nobody is left to be told why this process ends. */
export class LauncherGone extends Error {
  override readonly name = 'LauncherGone';
}

/** Receives the boot message. @throws LauncherGone when there will be none. */
export async function receiveBoot(): Promise<ReceivedBoot> {
  const control = new Socket({ fd: descriptors.control, readable: true, writable: false });
  const lines = createInterface({ input: control, crlfDelay: Infinity });
  control.on('error', () => lines.close());
  // Buffers the messages until they are read.
  const messages = lines[Symbol.asyncIterator]();
  const first: IteratorResult<string, unknown> = await messages.next();
  if (first.done === true) throw new LauncherGone();
  removeSandboxMark();
  const message: BootMessage = JSON.parse(first.value);
  const isProvisioned = receive(provisioned, messages);
  isProvisioned.catch(() => undefined);
  const follow = async (): Promise<void> => {
    control.unref();
    await obey(messages);
  };
  // Whoever waits for `provisioned` hears of a failure.
  const followLauncher = (): void => void isProvisioned.then(follow, () => undefined);
  return { ...message, provisioned: isProvisioned, followLauncher };
}

async function receive(expected: string, messages: AsyncIterableIterator<string>): Promise<void> {
  const next: IteratorResult<string, unknown> = await messages.next();
  if (next.value !== expected) throw new LauncherGone();
}

async function obey(messages: AsyncIterableIterator<string>): Promise<void> {
  for await (const message of messages) {
    if (message === detach) return;
    process.kill(process.pid, message);
  }
  process.kill(process.pid, 'SIGTERM');
}
