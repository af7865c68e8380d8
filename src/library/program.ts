import { fileURLToPath } from 'node:url';

/** The command line: a node lives in namespaces that this process cannot enter. */
export const main = fileURLToPath(new URL('../main.js', import.meta.url));
