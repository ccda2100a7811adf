import { PAGES } from '../errors';

/** Replaces paths such as `docs/guard.md` with the URLs of this version's documents. */
export function withDocUrls(text: string): string {
  return text.replace(/(?<![\w/])docs\/[a-z-]+\.md/g, (path) => PAGES + path);
}
