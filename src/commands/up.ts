import { beginStart } from '../instance/start.ts';
import { commandLine } from '../lib/commandLine.ts';
import { Failure } from '../lib/errors.ts';
import { nodePaths } from '../lib/paths.ts';
import { beginBox, isIsolated } from '../launcher/beginBox.ts';
import type { BegunNode } from '../launcher/beginBox.ts';
import { upInBox } from '../launcher/launch.ts';
import { loadNodeConfig } from '../supervisor/options.ts';
import type { UpOptions } from '../supervisor/options.ts';

/**
 * `k8s-single up`. On a host the node runs in a box of namespaces, in a process that may have been started (`early`) before the
 * config is read; in a container, with --host, or without Kubernetes the graph runs right here.
 */
export async function up(options: UpOptions, early?: BegunNode): Promise<number> {
  let box = early;
  try {
    const config = await loadNodeConfig(options);
    const { node } = config;
    if (box === undefined) await beginStart(node.name, nodePaths(node.name).run);
    if (!isIsolated(options) || node.kubernetes === false) {
      if (options.detach === true) throw cannotDetach();
      return await (
        await import('../supervisor/runPlan.ts')
      ).runPlan({ options, config, isConfigFinal: false });
    }
    box ??= await beginBox(options, node);
    await box.begun.entered;
    return await upInBox(box, options, config);
  } finally {
    await box?.leave();
  }
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
