import { CATALOGUE } from '../../lib/models/catalogue';
import { PROVIDERS } from '../../lib/provider/dialects';
import { holysheep, openai } from '../../lib/provider/presets';
import { read } from './documents';

/** The rows of all tables of a page: the name in the first cell, and the text of the other cells. */
function rowsOf(document: string): Map<string, string[]> {
  const rows = document.split('\n').flatMap((line): [string, string[]][] => {
    const [, name, rest] = /^\| `([^`]+)` +\| (.+) \|$/.exec(line) ?? [];
    return name === undefined || rest === undefined
      ? []
      : [[name, rest.split(' | ').map((cell) => cell.trim())]];
  });
  return new Map(rows);
}

describe('The documentation pages', () => {
  it('list all models of the catalogue with their values', () => {
    const rows = rowsOf(read('docs/models.md').split('## Catalogue')[1]?.split('## Fallbacks')[0] ?? '');
    expect([...rows.keys()]).toEqual([...CATALOGUE.keys()]);
    for (const [model, profile] of CATALOGUE) {
      const [input, output, cached, window, largest, quality] = rows.get(model) ?? [];
      expect([model, Number(input), Number(output)]).toEqual([
        model,
        profile.price?.input,
        profile.price?.output,
      ]);
      expect(cached).toBe(String(profile.price?.cachedInput ?? '-'));
      expect(Number(window?.replaceAll(',', ''))).toBe(profile.contextWindow);
      expect(largest).toBe(profile.maxOutputTokens?.toLocaleString('en') ?? '-');
      expect(Number(quality)).toBe(profile.quality);
    }
    const fallbacks = rowsOf(read('docs/models.md').split('## Fallbacks')[1] ?? '');
    expect(fallbacks.size).toBe([...CATALOGUE.values()].filter((profile) => profile.fallbacks).length);
  });

  it('list every preset with its base URL and models', () => {
    const presets = rowsOf(read('docs/presets.md'));
    for (const [provider, { baseURL }] of Object.entries(PROVIDERS)) {
      if (baseURL !== undefined) expect(presets.get(provider)?.[0]).toBe(`\`${baseURL}\``);
    }
    for (const endpoint of [...holysheep({ apiKey: 'k' }), ...openai({ apiKey: 'k' })]) {
      expect(presets.get(endpoint.provider ?? '')?.[1]).toContain(`\`${endpoint.model}\``);
    }
  });
});
