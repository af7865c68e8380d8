import { startNode } from 'k8s-single';

// Never stops it, and does not end by itself.
const node = await startNode();
console.log(node.name);
process.stdin.resume();
