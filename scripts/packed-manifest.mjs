// `npm pack` runs it: the packed package.json has nothing that is only for work on this repository. The script of
// `prepare` is not packed, and npm warns of it where a tarball is installed. Afterwards the file is as it was.
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';

const FILE = 'package.json';
const SAVED = 'package.json.saved';

const change = {
  reduce() {
    const text = readFileSync(FILE, 'utf8');
    const { devDependencies, allowScripts, ...manifest } = JSON.parse(text);
    // A pack that was interrupted has left a reduced file: then the saved one is still the original.
    if (devDependencies || !existsSync(SAVED)) writeFileSync(SAVED, text);
    delete manifest.scripts.prepare;
    writeFileSync(FILE, `${JSON.stringify(manifest, undefined, 2)}\n`);
  },
  restore() {
    if (existsSync(SAVED)) renameSync(SAVED, FILE);
  },
}[process.argv[2]];
if (!change) throw new Error('expected an argument: reduce or restore');
change();
