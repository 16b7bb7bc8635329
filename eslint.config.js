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
  {
    // How long it takes to compare a secret with === tells how much of a guess was right: crypto.timingSafeEqual does not.
    files: ['src/{hub,http,identity}/**/*.ts'],
    rules: { 'no-restricted-syntax': ['error', ...secretsCompared()] },
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

/** Forbids to compare by an operator, or by a method of texts, what is called as secrets are. */
function secretsCompared() {
  const names = '/^#?(secret|token|password|passphrase|hash|mac|hmac|signature|fingerprint|credential|operator)$/i';
  const message = 'Compare secrets with crypto.timingSafeEqual.';
  const sides = ['left', 'right'].map((side) => [side, side === 'left' ? 'right' : 'left']);
  const harmless = (side) =>
    `:not([${side}.type="Identifier"][${side}.name="undefined"]):not([${side}.type="Literal"]):not([${side}.type="UnaryExpression"])`;
  return [
    ...sides.flatMap(([side, other]) =>
      ['name', 'property.name', 'expression.property.name'].map(
        (where) => `BinaryExpression[operator=/^[!=]==?$/][${side}.${where}=${names}]${harmless(other)}`,
      ),
    ),
    `CallExpression[callee.property.name=/^(equals|compare|localeCompare|startsWith|endsWith)$/][callee.object.name=${names}]`,
  ].map((selector) => ({ selector, message }));
}

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
