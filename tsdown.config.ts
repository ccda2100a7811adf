import { join } from 'node:path';
import { defineConfig, type UserConfig } from 'tsdown';

const BUNDLED = ['tokenx', 'zod'];

const shared: UserConfig = {
  platform: 'node',
  target: 'node20',
  outDir: 'dist',
  // tokenx is published as an ES module only, which require() cannot load on every Node 20. Of zod a fifth is used; to load
  // all of it takes 100 ms. Both are listed in THIRD-PARTY.md.
  deps: { alwaysBundle: BUNDLED, onlyBundle: BUNDLED },
};

export default defineConfig([
  {
    ...shared,
    entry: {
      index: 'lib/index.ts',
      simulator: 'lib/simulator/index.ts',
      // Beside simulator.*: startFleetProcess() forks it.
      'simulator-child': 'lib/simulator/process/child.ts',
    },
    format: ['esm', 'cjs'],
    dts: true,
    clean: true,
    // Beside index.*: aiDashboard() serves them.
    copy: ({ outDir }) => [{ from: 'lib/dashboard/page/*', to: join(outDir, 'dashboard') }],
  },
  {
    ...shared,
    // By itself: it loads the package late, on virtual time, which would force that order of loading on everybody.
    entry: { cli: 'lib/cli/main.ts' },
    deps: {
      // `migrate` alone reads YAML, once: a dependency would be installed by everybody.
      alwaysBundle: [...BUNDLED, 'yaml'],
      onlyBundle: [...BUNDLED, 'yaml'],
      // Loads a configuration in TypeScript, where the app has installed it.
      neverBundle: [/^tsx\//],
    },
    format: ['esm'],
    dts: false,
    clean: false,
  },
]);
