import { dirname, join } from 'node:path';
import type { GoTree } from './goTree.ts';

/**
 * Makes the one generated file that the source package lacks, just as build/root/Makefile.generated_files does for
 * its target KUBE; but without make, which would compile and run every other generator first.
 */
export async function generateOpenApi({ project, temp, run }: GoTree): Promise<void> {
  const generator = join(temp, 'openapi-gen');
  await run(
    'go',
    ['build', '-o', generator, './vendor/k8s.io/kube-openapi/cmd/openapi-gen'],
    'build openapi-gen',
  );
  const tagged = await run(
    'grep',
    [
      '-rlE',
      '--include=*.go',
      String.raw`^// *\+k8s:openapi-gen=`,
      'pkg',
      'cmd',
      'plugin',
      'staging/src/k8s.io',
    ],
    'find the API types',
  );
  const dirs = tagged
    .split('\n')
    .filter((file) => !/^staging\/src\/k8s\.io\/(?:code-generator|sample-apiserver)\//.test(file))
    .map((file) => `${project}/${dirname(file).replace(/^staging\/src\//, 'vendor/')}`);
  const options = {
    '--input-dirs': [...new Set(dirs)].sort().join(','),
    '--output-package': `${project}/pkg/generated/openapi`,
    '--output-file-base': 'zz_generated.openapi',
    '--go-header-file': 'hack/boilerplate/boilerplate.generatego.txt',
    '--report-filename': join(temp, 'violations'),
  };
  await run(generator, ['--logtostderr', ...Object.entries(options).flat()], 'generate the OpenAPI code');
}
