import { componentSchema } from './componentSpec.ts';
import { map, named } from './fields.ts';
import { nodeShape } from './node.ts';

/** A component's name is also the name of its log file. */
const componentName = /^[A-Za-z0-9][\w.-]{0,62}$/;

const describedComponents = 'Your own components by name, and what to change in the built-in ones.';

/** A config file. */
export const configSchema = map({
  ...nodeShape,
  components: named(componentName, 'letters, digits, dots, dashes and underscores', componentSchema)
    .default({})
    .describe(describedComponents),
});
