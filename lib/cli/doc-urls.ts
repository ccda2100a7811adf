import { homepage, version } from '../../package.json';

/** URL of this version's documents in the repository, because the package does not contain them. */
const PAGES = `${homepage.replace(/#.*$/, '')}/blob/v${version}/`;

/** Replaces paths such as `docs/guard.md` with their URLs. */
export function withDocUrls(text: string): string {
  return text.replace(/(?<![\w/])docs\/[a-z-]+\.md/g, (path) => PAGES + path);
}
