import { z } from 'zod';
import { componentSchema } from './componentSpec.ts';
import { map, named } from './fields.ts';
import { nodeShape } from './node.ts';

/** A component's name is also the name of its log file. */
const componentName = /^[A-Za-z0-9][\w.-]{0,62}$/;

/** A config file. */
export const configSchema = map({
  ...nodeShape,
  components: named(componentName, 'letters, digits, dots, dashes and underscores', componentSchema)
    .default({})
    .describe('Your own components by name, and changes to built-in components.'),
});

/** A reference is allowed wherever a number or a fixed word is. */
const reference = { type: 'string', pattern: String.raw`\$\{[^}]+\}` };

/** The JSON Schema of a config file, for editors: the input of {@link configSchema} in YAML's own types. */
export function jsonSchema(): object {
  const schema = z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any', override: addForms });
  return { $schema: schema.$schema, title: 'A config of k8s-single', ...schema };
}

/** Adds the forms that the fields accept besides their own type. */
function addForms({ jsonSchema: schema }: { jsonSchema: z.core.JSONSchema.BaseSchema }): void {
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
