import tseslint from 'typescript-eslint';

export default tseslint.config(
  { ignores: ['dist/**', 'coverage/**', '__tests__/package/consumers/**', '**/*.mjs', '**/*.cjs', '*.js'] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      'object-shorthand': 'error',
      'no-useless-rename': 'error',
    },
  },
  {
    files: ['lib/**/*.ts'],
    rules: {
      // The clock and timers are used through the globals at the time of the call, so that a fake clock controls all of them.
      'no-restricted-imports': [
        'error',
        {
          paths: [
            'timers',
            'timers/promises',
            'node:timers',
            'node:timers/promises',
            'perf_hooks',
            'node:perf_hooks',
          ],
        },
      ],
      'no-console': 'error',
      'max-lines': ['error', 300],
    },
  },
  {
    files: ['lib/**/*.ts'],
    ignores: ['lib/util/**', 'lib/simulator/**', 'lib/cli/**'],
    rules: {
      'no-restricted-globals': [
        'error',
        ...['setTimeout', 'setInterval'].map((name) => ({
          name,
          message: 'Use startTimer of lib/util/timers.ts, which bounds delays that Node cannot represent.',
        })),
      ],
    },
  },
  {
    files: ['__tests__/**/*.ts', 'bench/**/*.ts', 'examples/**/*.ts'],
    rules: {
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/unbound-method': 'off',
    },
  },
);
