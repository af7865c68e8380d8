import { withFault } from './fsFaults.mjs';
import { writers } from './writers.ts';

// Does what one of the writers does, and is killed at one of its calls: `child NAME FOLDER NUMBER`.
const [name = '', root = '', at] = process.argv.slice(2);
await withFault({ root, at: Number(at), mode: 'kill' }, async () => writers[name]!.run(root));
