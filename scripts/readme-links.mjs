// `npm pack` runs it: README.md and its translation have relative links, which lead nowhere outside of the repository. The
// packed copies have the addresses of their own version on GitHub, from package.json's repository; afterwards they are as
// they were.
import { readFileSync, writeFileSync } from 'node:fs';

const PICTURE = /\.(?:png|svg|gif|jpe?g|webp)$/;
const { repository, version } = JSON.parse(readFileSync('package.json', 'utf8'));
const [, name] = /github\.com\/(.+)\.git$/.exec(repository.url);
const PAGES = `https://github.com/${name}/blob/v${version}/`;
const PICTURES = `https://raw.githubusercontent.com/${name}/v${version}/`;

const absolute = (path) => (PICTURE.test(path) ? PICTURES : PAGES) + path;
const change = {
  absolute: (text) =>
    text
      .replace(/(\]\()(?![a-z]+:|#)([^)\s]+)/g, (_, start, path) => start + absolute(path))
      .replace(/((?:src|href)=")(?![a-z]+:|#)([^"]+)/g, (_, start, path) => start + absolute(path)),
  relative: (text) => text.replaceAll(PAGES, '').replaceAll(PICTURES, ''),
}[process.argv[2]];
if (!change) throw new Error('expected an argument: absolute or relative');
for (const file of ['README.md', 'README.ko.md']) writeFileSync(file, change(readFileSync(file, 'utf8')));
