import { exitCodes } from '../lib/errors.ts';
import { importSupervisord } from '../import/supervisord.ts';

/** `k8s-single import supervisord FILE`: the YAML to stdout, and what it does not say to stderr. */
export async function importFrom(file: string): Promise<number> {
  const { yaml, notes } = await importSupervisord(file);
  process.stdout.write(yaml);
  for (const note of notes) console.error(`not imported: ${note}`);
  return exitCodes.ok;
}
