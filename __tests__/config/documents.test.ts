import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DEFAULTS } from '../../lib/config/defaults';
import { endpointSchema } from '../../lib/config/endpoint-schema';
import { configSchema } from '../../lib/config/schema';
import { CATALOGUE } from '../../lib/models/catalogue';
import { PROVIDERS } from '../../lib/provider/dialects';
import { holysheep, openai } from '../../lib/provider/presets';

const read = (name: string) => readFileSync(join(__dirname, '../../docs', name), 'utf8');

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
  const options = rowsOf(read('configuration.md'));

  it('name every option of the configuration and of an endpoint', () => {
    for (const option of [...Object.keys(configSchema.shape), ...Object.keys(endpointSchema.shape)]) {
      expect([...options.keys()]).toContain(option);
    }
  });

  it('state the defaults of the code', () => {
    const { timeouts, retry, breaker, hedge, http, queue } = DEFAULTS;
    const figures = Object.entries({
      ...timeouts,
      ...retry,
      ...breaker,
      ...queue,
      maxResponseBytes: http.maxResponseBytes,
    });
    for (const [option, value] of figures) {
      // hedge.budgetRatio is the second option of that name.
      if (option === 'budgetRatio') continue;
      expect([option, options.get(option)?.[0]]).toEqual([option, `\`${value}\``]);
    }
    expect(options.get('budgetRatio')?.[0]).toBe(`\`${hedge.budgetRatio}\``);
    expect(options.get('strategy')?.[0]).toBe(`\`'${DEFAULTS.strategy}'\``);
    expect(options.get('burstSeconds')?.[0]).toBe(`\`${DEFAULTS.endpoint.burstSeconds}\``);
    const section = read('configuration.md').split('## `scoreWeights`')[1]?.split('\n## ')[0] ?? '';
    const terms = [...rowsOf(section)].map(([term, [weight]]) => [term, weight]);
    expect(terms).toEqual(
      Object.entries(DEFAULTS.scoreWeights).map(([term, weight]) => [term, `\`${weight}\``]),
    );
  });

  it('list the models of the catalogue with their values', () => {
    const rows = rowsOf(read('models.md').split('## Catalogue')[1]?.split('## Fallbacks')[0] ?? '');
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
    const fallbacks = rowsOf(read('models.md').split('## Fallbacks')[1] ?? '');
    expect(fallbacks.size).toBe([...CATALOGUE.values()].filter((profile) => profile.fallbacks).length);
  });

  it('list every preset with its base URL and models', () => {
    const presets = rowsOf(read('presets.md'));
    for (const [provider, { baseURL }] of Object.entries(PROVIDERS)) {
      if (baseURL !== undefined) expect(presets.get(provider)?.[0]).toBe(`\`${baseURL}\``);
    }
    for (const endpoint of [...holysheep({ apiKey: 'k' }), ...openai({ apiKey: 'k' })]) {
      expect(presets.get(endpoint.provider ?? '')?.[1]).toContain(`\`${endpoint.model}\``);
    }
  });
});
