// `npm pack` runs it before (`change`) and after it (`restore`): files that are packed otherwise than they are in the
// repository. The originals are kept in a folder of their own meanwhile, because npm packs every file named README.*.
// - package.json has nothing that is only for work on this repository. `prepare` runs a script that is not packed, and npm
//   warns of it where a tarball is installed.
// - The relative links of README.md and its translation lead nowhere on npm: they become addresses of this version on GitHub.
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';

const PICTURE = /\.(?:png|svg|gif|jpe?g|webp)$/;
const CHANGES = { 'package.json': reduced, 'README.md': linked, 'README.ko.md': linked };

function reduced(text) {
  const { devDependencies: _dev, allowScripts: _allowed, ...manifest } = JSON.parse(text);
  delete manifest.scripts?.prepare;
  return `${JSON.stringify(manifest, undefined, 2)}\n`;
}

function linked(text, { repository, version }) {
  const [, name] = /github\.com\/(.+)\.git$/.exec(repository.url);
  const absolute = (path) =>
    PICTURE.test(path)
      ? `https://raw.githubusercontent.com/${name}/v${version}/${path}`
      : `https://github.com/${name}/blob/v${version}/${path}`;
  return text
    .replace(/(\]\()(?![a-z]+:|#)([^)\s]+)/g, (_, start, path) => start + absolute(path))
    .replace(/((?:src|href)=")(?![a-z]+:|#)([^"]+)/g, (_, start, path) => start + absolute(path));
}

const SAVED = '.packed-files';
const savedAs = (file) => `${SAVED}/${file}`;
const read = (file) => readFileSync(file, 'utf8');

function change() {
  const manifest = JSON.parse(read('package.json'));
  mkdirSync(SAVED, { recursive: true });
  for (const [file, changed] of Object.entries(CHANGES)) {
    const saved = existsSync(savedAs(file)) ? read(savedAs(file)) : undefined;
    const text = read(file);
    // An interrupted pack has left the changed file: then the saved one is still the original.
    const original = saved !== undefined && changed(saved, manifest) === text ? saved : text;
    writeFileSync(savedAs(file), original);
    writeFileSync(file, changed(original, manifest));
  }
}

function restore() {
  for (const file of Object.keys(CHANGES)) if (existsSync(savedAs(file))) renameSync(savedAs(file), file);
  rmSync(SAVED, { recursive: true, force: true });
}

const run = { change, restore }[process.argv[2]];
if (!run) throw new Error('expected an argument: change or restore');
run();
