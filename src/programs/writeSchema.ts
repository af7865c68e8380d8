import { writeFile } from 'node:fs/promises';
import { jsonSchema } from '../config/schema/configSchema.ts';

// Writes config/schema.json. Run it in the project directory with `npm run schema`.
await writeFile('config/schema.json', `${JSON.stringify(jsonSchema(), undefined, 2)}\n`);
