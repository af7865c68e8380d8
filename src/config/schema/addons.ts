import { z } from 'zod';
import { addonName, addonNameForm } from '../../lib/paths.ts';
import { bool, filled, map, named, oneOrMore, pattern } from './fields.ts';

const urlForm = 'a URL like https://example.com/manifest.yaml';
const namespace = () => pattern(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, 'the name of a namespace');

const condition = map({
  apiVersion: filled('an API version').describe('Such as `apps/v1`.'),
  kind: filled('a kind').describe('Such as `Deployment`.'),
  name: filled('a name').describe('The name of the object.'),
  namespace: namespace()
    .exactOptional()
    .describe('The namespace of the object. Default: that of the addon, or `default`.'),
  condition: filled('a condition')
    .default('Ready')
    .describe('The type of the condition that must be True. Default: Ready.'),
});

const sources = ['file', 'url', 'manifest'] as const;

const addon = map({
  file: filled('a file').exactOptional().describe('A file with manifests, relative to this config.'),
  url: filled(urlForm)
    .refine((text) => URL.canParse(text) && /^https?:/.test(text), { error: `expected ${urlForm}` })
    .exactOptional()
    .describe('A URL of manifests. A copy is kept for a start without a network.'),
  manifest: filled('manifests').exactOptional().describe('The manifests themselves, as a text.'),
  namespace: namespace()
    .exactOptional()
    .describe(
      'The namespace for objects that name none; it is created if it is missing. Default: `default`.',
    ),
  wait: oneOrMore(condition)
    .prefault([])
    .describe(
      'Conditions to wait for, besides workloads that are available, jobs that are complete, and APIs that are served. Default: none.',
    ),
  required: bool()
    .prefault(false)
    .describe('Whether the node is ready only when the addon is, and fails without it. Default: false.'),
}).superRefine((spec, context) => {
  const given = sources.filter((key) => spec[key] !== undefined);
  if (given.length === 1) return;
  const path = given[1] === undefined ? [] : [given[1]];
  const message = `an addon has one of ${sources.map((key) => `"${key}"`).join(', ')}`;
  context.addIssue({ code: 'custom', path, message });
});

/** Manifests to apply, by the name of the addon. */
export const addonsSchema = named(addonName, addonNameForm, addon)
  .default({})
  .describe(
    'Manifests that are applied when the API is ready, and removed with their entry here, by name. Files in the directory `addons` of the data directory are addons, too. Default: none.',
  );

/** An addon of the config. */
export type AddonConfig = z.output<typeof addon>;
