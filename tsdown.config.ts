import { defineConfig } from 'tsdown';

export default defineConfig({
  entry: {
    index: 'lib/index.ts',
    simulator: 'lib/simulator/index.ts',
    cli: 'lib/cli/main.ts',
    // Beside simulator.*: startFleetProcess() forks it.
    'simulator-child': 'lib/simulator/process/child.ts',
  },
  format: ['esm', 'cjs'],
  dts: true,
  platform: 'node',
  target: 'node20',
  outDir: 'dist',
  clean: true,
  // tokenx is published as an ES module only, which require() cannot load on every Node 20: its 8 kB are bundled.
  deps: { alwaysBundle: ['tokenx'], onlyBundle: ['tokenx'] },
});
