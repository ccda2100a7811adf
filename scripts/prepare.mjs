// `npm run prepare`: npm runs it after every install here, and where the package is installed from git. Only the latter
// needs a build at once: there npm was started in another folder.
import { execSync } from 'node:child_process';

if (process.env.INIT_CWD !== process.cwd()) execSync('npm run build', { stdio: 'inherit' });
