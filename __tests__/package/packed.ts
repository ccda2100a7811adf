import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { FoundRuntime } from '../helpers/runtimes';

const run = promisify(execFile);
export const ROOT = join(__dirname, '../..');
const bin = (name: string) => join(ROOT, 'node_modules/.bin', name);
export const OWN_COMPILER = bin('tsc');

interface Manifest {
  name: string;
  version: string;
  files: string[];
  repository: { url: string };
  homepage: string;
  bugs: { url: string };
  dependencies: Record<string, string>;
}

export const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Manifest;

/** What `npm pack` needs of the repository. */
const SOURCES = [
  'lib',
  'scripts',
  'package.json',
  'tsconfig.json',
  'tsdown.config.ts',
  'README.md',
  'README.ko.md',
  'LICENSE',
];

/** The package as `npm pack` makes it of a clean clone, in a folder of its own, so that no other build is disturbed. */
export class PackedPackage {
  readonly #folder = mkdtempSync(join(tmpdir(), 'ai-balancer-'));
  readonly #clone = join(this.#folder, 'clone');
  readonly tarball = join(this.#folder, 'package.tgz');

  async build(): Promise<void> {
    mkdirSync(this.#clone);
    for (const file of [...SOURCES, ...manifest.files.filter((name) => name !== 'dist')])
      cpSync(join(ROOT, file), join(this.#clone, file), {
        recursive: true,
        filter: (path) => !path.includes('node_modules'),
      });
    symlinkSync(join(ROOT, 'node_modules'), join(this.#clone, 'node_modules'), 'dir');
    const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', this.#folder], {
      cwd: this.#clone,
      maxBuffer: 64 << 20,
    });
    // The scripts that npm runs print to the same stream.
    const list = stdout.slice(stdout.search(/^[[{]$/m), stdout.search(/^[\]}]$/m) + 1);
    const [packed] = Object.values(JSON.parse(list) as Record<string, { filename: string }>);
    cpSync(join(this.#folder, packed?.filename ?? ''), this.tarball);
  }

  /** A file of the clone, after packing. */
  readSource(file: string): string {
    return readFileSync(join(this.#clone, file), 'utf8');
  }

  async publint(): Promise<string> {
    const { stdout, stderr } = await run(bin('publint'), ['--strict', this.tarball], { cwd: ROOT });
    return stdout + stderr;
  }

  async attw(): Promise<string> {
    const { stdout } = await run(bin('attw'), [this.tarball, '--no-color', '--no-emoji'], { cwd: ROOT });
    return stdout;
  }

  async files(): Promise<string[]> {
    const { stdout } = await run('tar', ['-tzf', this.tarball]);
    return stdout
      .trim()
      .split('\n')
      .map((name) => name.replace(/^package\//, ''));
  }

  async read(file: string): Promise<string> {
    const { stdout } = await run('tar', ['-xzOf', this.tarball, `package/${file}`], { maxBuffer: 64 << 20 });
    return stdout;
  }

  /**
   * A project that has installed the tarball: only the dependencies that its manifest names are there, and express, so
   * that nothing undeclared can be used.
   */
  async consumer(type: 'commonjs' | 'module', others: readonly string[] = []): Promise<Consumer> {
    const folder = mkdtempSync(join(this.#folder, `${type}-`));
    const installed = join(folder, 'node_modules', manifest.name);
    mkdirSync(installed, { recursive: true });
    await run('tar', ['-xzf', this.tarball, '-C', installed, '--strip-components=1']);
    for (const name of new Set([...Object.keys(manifest.dependencies), 'express', ...others])) {
      const link = join(folder, 'node_modules', name);
      mkdirSync(dirname(link), { recursive: true });
      symlinkSync(join(ROOT, 'node_modules', name), link, 'dir');
    }
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'consumer', private: true, type }));
    return new Consumer(folder);
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

export class Consumer {
  constructor(readonly folder: string) {}

  /** Runs a file of `consumers/` here; resolves with what it printed. */
  async run(file: string, runtime?: FoundRuntime): Promise<string> {
    this.copy(file);
    return this.execute(file, runtime);
  }

  /** Copies a file of `consumers/`. */
  copy(file: string, to = file): void {
    cpSync(join(__dirname, 'consumers', file), join(this.folder, to));
  }

  /** Runs a file; resolves with what it printed, on both streams, whether it succeeds or not. */
  async execute(file: string, runtime?: FoundRuntime): Promise<string> {
    const { file: program, args } = runtime ?? { file: process.execPath, args: [] };
    const options = { cwd: this.folder, timeout: 200_000 };
    const printed = await run(program, [...args, file], options).catch((error: unknown) => error as Printed);
    return (printed.stdout + printed.stderr).trim();
  }

  /**
   * Compiles a file of `consumers/` as a careful project would, and leaves the JavaScript beside it. Resolves to what is
   * wrong.
   *
   * @param skipLibCheck Whether only the file itself is checked, against the declarations.
   */
  async compile(file: string, compiler: string, skipLibCheck = false): Promise<string> {
    this.copy(file);
    const strict = ['--strict', '--exactOptionalPropertyTypes', '--noUncheckedIndexedAccess'];
    const more = [
      '--skipLibCheck',
      String(skipLibCheck),
      '--target',
      'es2022',
      '--module',
      'nodenext',
      '--types',
      'node',
    ];
    const { stdout } = await run(compiler, [...strict, ...more, file], { cwd: this.folder }).catch(
      (error: unknown) => error as Printed,
    );
    return stdout;
  }
}

interface Printed {
  readonly stdout: string;
  readonly stderr: string;
}
