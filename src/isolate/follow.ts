import { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { fds } from './box.ts';

/** Said by the process outside when it leaves and the node is to live on. */
export const farewell = 'detach';

/**
 * Inside, does what the process outside says through the control descriptor: each signal it got is raised here, once.
 * When it is gone without a farewell (killed, or its terminal closed), SIGTERM is: the node never outlives a foreground
 * `up`. Have the signal handlers in place before; what was said earlier is not lost. Does not keep the process alive.
 */
export function followOutside(): void {
  const control = new Socket({ fd: fds.control, readable: true, writable: false });
  let detached = false;
  const lines = createInterface({ input: control, crlfDelay: Infinity });
  lines.on('line', (line) => {
    if (line === farewell) detached = true;
    else process.kill(process.pid, line);
  });
  lines.on('close', () => {
    if (!detached) process.kill(process.pid, 'SIGTERM');
  });
  control.on('error', () => lines.close());
  control.unref();
}
