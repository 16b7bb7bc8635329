import js from '@eslint/js';
import prettier from 'eslint-config-prettier';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

export default defineConfig(
  { ignores: ['dist/', 'bench/build/', 'test/build/', 'node_modules/', '.tap/'] },
  js.configs.recommended,
  {
    files: ['**/*.ts', '**/*.tsx'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
    },
  },
  {
    // tap's assertions return promises only for child tests, which the rule cannot tell apart.
    files: ['test/**/*.ts'],
    rules: { '@typescript-eslint/no-floating-promises': ['error', { ignoreVoid: true }] },
  },
  // The house: arrows never run back (see README, "The house").
  restrict(
    'src/hub',
    ['http', 'identity', 'stream', 'cli', 'sdk', 'engine/lmdb', 'engine/nats', 'engine/file'],
    'the hub knows the engine interface alone',
  ),
  restrict(
    'src/identity',
    ['http', 'stream', 'cli', 'sdk', 'engine'],
    'identity knows of the hub what it refuses with',
  ),
  restrict('src/engine', ['hub', 'http', 'stream', 'cli', 'sdk'], 'an engine knows its interface alone'),
  restrict(
    'src/stream',
    ['http', 'cli', 'sdk', 'engine/lmdb', 'engine/nats', 'engine/file'],
    'a stream knows the types of the hub alone',
  ),
  restrict('src/http', ['cli', 'sdk', 'engine/lmdb', 'engine/nats', 'engine/file'], 'http knows hub and stream'),
  restrict('src/sdk', ['hub', 'http', 'stream', 'cli', 'engine'], 'the SDK knows nothing of the server'),
  restrict('src/web', ['hub', 'http', 'stream', 'cli', 'engine'], 'the page knows nothing of the server'),
  prettier,
);

/** Forbids files under `folder` to import from the rooms named. */
function restrict(folder, rooms, message) {
  return {
    files: [`${folder}/**/*.{ts,tsx}`],
    rules: {
      'no-restricted-imports': [
        'error',
        { patterns: [{ regex: `/(${rooms.join('|')})/`, message: `Arrows never run back: ${message}.` }] },
      ],
    },
  };
}
