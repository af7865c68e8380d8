import { writeFile } from 'node:fs/promises';
import { jsonSchema } from '../config/schema/jsonSchema.ts';

// Writes config/schema.json: `npm run schema`, from the project's folder.
await writeFile('config/schema.json', `${JSON.stringify(jsonSchema(), undefined, 2)}\n`);
