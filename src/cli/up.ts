import { assertCanIsolate, inContainer } from '../isolate/preflight.ts';
import { currentBox } from '../isolate/box.ts';
import { beginStart } from '../isolate/start.ts';
import { commandLine } from '../commandLine.ts';
import { Failure } from '../errors.ts';
import { nodePaths } from '../paths.ts';
import { upInBox } from './box.ts';
import { configFor } from './options.ts';
import type { UpOptions } from './options.ts';
import { toolchain } from './toolchain.ts';

/**
 * `k8s-single up`. On a host it starts itself again in a box of namespaces, where it finds itself to be in one and runs
 * the node; in a container, with --host, or without Kubernetes it runs the graph right here.
 */
export async function up(options: UpOptions): Promise<number> {
  const box = currentBox();
  // Seen while the config is read, which alone says whether it matters.
  const isolable =
    box === undefined && options.host !== true && inContainer() === undefined
      ? assertCanIsolate()
      : undefined;
  isolable?.catch(() => undefined);
  const config = await configFor(options);
  const { node } = config;
  if (box === undefined) await beginStart(node.name, nodePaths(node.name).run);
  if (isolable === undefined || node.kubernetes === false) {
    if (options.detach === true && box === undefined) throw cannotDetach();
    return (await import('./runPlan.ts')).runPlan({ options, config });
  }
  await isolable;
  return upInBox({ options, config, binaries: await toolchain(options, node) });
}

function cannotDetach(): Failure {
  const without = ['k8s-single', ...process.argv.slice(2).filter((word) => word !== '--detach')];
  return new Failure(
    'usage',
    '--detach is for a node in namespaces of its own, and this one runs right here',
    {
      hint: `leave it out, and run it in the background: ${commandLine(without)} &`,
    },
  );
}
