import { startNode } from 'k8s-single';

// Neither stops the node nor exits.
const node = await startNode();
console.log(node.name);
process.stdin.resume();
