import { exitCodes } from '../lib/errors.ts';
import { importSupervisord } from '../import/supervisord.ts';

/** `k8s-single import supervisord FILE`: prints the YAML to stdout, and to stderr what it leaves out. */
export async function importFrom(file: string): Promise<number> {
  const { yaml, notes } = await importSupervisord(file);
  process.stdout.write(yaml);
  for (const note of notes) console.error(`not imported: ${note}`);
  return exitCodes.ok;
}
