import { z } from 'zod';
import { configSchema } from './schema.ts';

/** A reference can stand wherever a number or a fixed word can. */
const reference = { type: 'string', pattern: String.raw`\$\{[^}]+\}` };

/** The JSON Schema of a config file, for editors: what {@link configSchema} accepts, in YAML's own types. */
export function jsonSchema(): object {
  const schema = z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any', override: adapt });
  return { $schema: schema.$schema, title: 'A config of k8s-single', ...schema };
}

/** Adds the forms that the fields accept besides their own type. */
function adapt({ jsonSchema: schema }: { jsonSchema: z.core.JSONSchema.BaseSchema }): void {
  const { orText, orOneItem, anyScalar, description, default: initial, ...rest } = schema;
  const isFixed =
    rest.enum !== undefined || rest.type === 'integer' || (rest.type === 'boolean' && !('const' in rest));
  const forms = [
    rest,
    ...(orText === true ? [{ type: 'string' }] : []),
    ...(orOneItem === true ? [rest.items] : []),
    ...(isFixed ? [reference] : []),
    ...(anyScalar === true ? [{ type: 'number' }, { type: 'boolean' }] : []),
  ];
  if (forms.length === 1) return;
  for (const key of Object.keys(schema)) delete schema[key];
  Object.assign(schema, {
    ...(description !== undefined && { description }),
    ...(initial !== undefined && { default: initial }),
    anyOf: forms,
  });
}
