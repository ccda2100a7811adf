import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { rollup } from 'rollup';
import webpack, { type Configuration } from 'webpack';
import { manifest } from './packed';

/** Makes a bundle of a module of an installed project, dependencies included. Resolves to the file, relative to the project. */
type Bundler = (folder: string, entry: string) => Promise<string>;

const esbuild =
  (format: 'esm' | 'cjs', minify: boolean): Bundler =>
  async (folder, entry) => {
    const outfile = `out/esbuild${minify ? '.min' : ''}.${format === 'esm' ? 'mjs' : 'cjs'}`;
    // Express is CommonJS: esbuild's documents give this for require() of Node's own modules in an ES module.
    const js = `import { createRequire as createBundleRequire } from 'node:module'; const require = createBundleRequire(import.meta.url);`;
    const { warnings } = await build({
      absWorkingDir: folder,
      entryPoints: [entry],
      outfile,
      bundle: true,
      minify,
      platform: 'node',
      format,
      logLevel: 'silent',
      ...(format === 'esm' ? { banner: { js } } : {}),
    });
    // In CommonJS `import.meta` is empty, which the package expects.
    const unexpected = warnings.filter(({ id }) => id !== 'empty-import-meta');
    if (unexpected.length > 0) throw new Error(JSON.stringify(unexpected));
    return outfile;
  };

/** As in most servers: CommonJS, in production mode. */
const webpackToCjs: Bundler = async (folder, entry) => {
  const filename = 'webpack.cjs';
  const config: Configuration = {
    mode: 'production',
    target: 'node20',
    context: folder,
    entry: `./${entry}`,
    devtool: false,
    // Unused exports and modules are removed all the same; to minify a megabyte takes 20 seconds.
    optimization: { minimize: false },
    output: { path: join(folder, 'out'), filename },
  };
  await new Promise<void>((resolve, reject) => {
    webpack(config, (error, stats) => {
      if (error) reject(error);
      else if (stats?.hasErrors()) reject(new Error(stats.toString({ all: false, errors: true })));
      else resolve();
    });
  });
  return `out/${filename}`;
};

/** Rollup resolves no packages by itself: it bundles this one, and leaves its dependencies to Node. */
const rollupToEsm: Bundler = async (folder, entry) => {
  const installed = join(folder, 'node_modules', manifest.name);
  const { exports } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as {
    exports: Record<string, { import: { default: string } }>;
  };
  const own = {
    name: 'own',
    resolveId: (id: string) => {
      const entryPoint = id.startsWith(manifest.name)
        ? exports[`.${id.slice(manifest.name.length)}`]
        : undefined;
      return entryPoint && join(installed, entryPoint.import.default);
    },
  };
  const isExternal = (id: string) => !/^[./]/.test(id) && !id.startsWith(manifest.name);
  const bundle = await rollup({ input: join(folder, entry), plugins: [own], external: isExternal });
  await bundle.write({ dir: join(folder, 'out/rollup'), format: 'es', entryFileNames: 'rollup.mjs' });
  await bundle.close();
  return 'out/rollup/rollup.mjs';
};

export const BUNDLERS: readonly (readonly [name: string, bundler: Bundler])[] = [
  ['esbuild as an ES module', esbuild('esm', true)],
  ['esbuild as CommonJS', esbuild('cjs', false)],
  ['webpack', webpackToCjs],
  ['rollup', rollupToEsm],
];
