import { readFile, writeFile } from 'node:fs/promises';
import { fastify } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { App, Context } from './context.js';
import { OPENAPI_FILE, generateOpenApi, registerOpenApi } from './documentation.js';
import { addRoutes } from './routes/index.js';
import { validatorCompiler } from './validation.js';

/*
 * Writes openapi/openapi.yaml from the code, or with --check tells whether it is what the code says: exit code 1 if not.
 */

const app: App = fastify().withTypeProvider<ZodTypeProvider>();
app.setValidatorCompiler(validatorCompiler);
app.setSerializerCompiler(() => JSON.stringify);
await registerOpenApi(app);
// No handler is ever called here, so there is nothing for them to work with.
addRoutes(app, {} as Context);
await app.ready();
const generated = generateOpenApi(app);

if (process.argv.includes('--check')) {
  const kept = await readFile(OPENAPI_FILE, 'utf8').catch(() => '');
  if (kept !== generated) {
    process.stderr.write('openapi/openapi.yaml is not what the code serves. Write it anew: npm run openapi\n');
    process.exitCode = 1;
  }
} else {
  await writeFile(OPENAPI_FILE, generated);
}
