import { homepage, version } from '../../package.json';

/** The documents are not in the package: their pages of this version are in its repository. */
const PAGES = `${homepage.replace(/#.*$/, '')}/blob/v${version}/`;

/** Replaces paths such as `docs/guard.md` with addresses. */
export function withDocUrls(text: string): string {
  return text.replace(/(?<![\w/])docs\/[a-z-]+\.md/g, (path) => PAGES + path);
}
