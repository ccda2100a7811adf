import fc from 'fast-check';
import { litellmVariable, readLitellm } from '../../lib/cli/migrate/litellm/litellm';
import { Migration } from '../../lib/cli/migrate/migration';
import { configOf } from '../../lib/cli/migrate/output-config';

// Few names, so that groups, models, aliases and fallbacks meet in every way.
const GROUPS = ['gpt-4o', 'gpt-4o-mini', 'fast', 'spare'];
const group = fc.constantFrom(...GROUPS);
const model = fc.constantFrom(
  'openai/gpt-4o',
  'gpt-4o-mini',
  'openai/gpt-4o-2024-08-06',
  'azure/gpt-4o',
  'azure/fast',
  'openrouter/openai/gpt-4o',
  'anthropic/claude-sonnet-4-5',
);
const entry = fc.record(
  {
    model_name: group,
    litellm_params: fc.record(
      {
        model,
        api_base: fc.constant('https://llm.example.com'),
        weight: fc.integer({ min: 1, max: 9 }),
        order: fc.integer({ min: 1, max: 3 }),
        rpm: fc.integer({ min: 1, max: 900 }),
      },
      { requiredKeys: ['model', 'api_base'] },
    ),
    model_info: fc.record({ id: fc.constantFrom('id-1', 'id-2', 'gpt-4o') }),
  },
  { requiredKeys: ['model_name', 'litellm_params'] },
);
const target = fc.oneof(group, fc.constantFrom('id-1', 'nobody'));
const lists = fc.array(fc.dictionary(fc.oneof(group, fc.constant('*')), fc.array(target, { maxLength: 3 })), {
  maxLength: 3,
});
const source = fc.record({
  model_list: fc.array(entry, { minLength: 1, maxLength: 6 }),
  router_settings: fc.record({
    fallbacks: lists,
    context_window_fallbacks: lists,
    content_policy_fallbacks: lists,
    model_group_alias: fc.dictionary(fc.constantFrom('alias', 'gpt-4o', 'spare'), group),
  }),
});

describe('express-ai-balancer migrate, for any overlap between the names of LiteLLM groups, models, ids, aliases and fallbacks,', () => {
  it('writes a configuration that the balancer accepts and in which calls can request every group', () => {
    fc.assert(
      fc.property(source, (value) => {
        const migration = new Migration('config.yaml', [], litellmVariable);
        readLitellm(value, migration);
        const config = configOf(migration);
        expect(config.endpoints).toHaveLength(value.model_list.length);
        const names = new Set(
          migration.endpoints.flatMap((endpoint) => [endpoint.model, ...endpoint.aliases]),
        );
        for (const { model_name: asked } of value.model_list)
          expect(names.has(asked) || names.has(`${asked}-group`)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});
