import { nodeName, nodeNameForm } from '../../lib/paths.ts';
import { filled, list, map, pattern } from './fields.ts';

/** A file of several nodes on one machine. */
export const clusterSchema = map({
  nodes: list(
    map({
      name: pattern(nodeName, `a name of ${nodeNameForm}`).describe('The name of the node.'),
      join: pattern(nodeName, 'the name of another node of this file')
        .optional()
        .describe('The control plane whose worker it is. Without it, the node is a control plane.'),
      config: filled('the path of a config')
        .optional()
        .describe('The config of this node, relative to the file. Its name is ignored.'),
    }),
  ),
});
