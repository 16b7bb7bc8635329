import { z } from 'zod';
import type { Account as HubAccount } from '../../hub/access/accounts.js';
import { networkOf } from '../../hub/access/network.js';
import { PermissionMissing } from '../../hub/errors.js';
import { admit, hasCredential } from '../admission.js';
import type { App, Context } from '../context.js';
import { problems } from '../documentation.js';
import { Account, AccountList, NameParams, NewAccount, NewPassword, NoQuery, PermittedAccount } from '../schemas.js';

/** `POST` and `GET /accounts`. */
export function accounts(app: App, { hub }: Context): void {
  app.post(
    '/accounts',
    {
      schema: {
        operationId: 'createAccount',
        tags: ['Accounts'],
        summary: 'Make an account',
        description:
          'By an administrator; by anyone where the server runs with `--registration open`. The name is the account’s own from then on: no other client can take it.',
        security: [{}, { token: [] }],
        querystring: NoQuery,
        body: NewAccount,
        response: {
          201: { description: 'The account.', content: { 'application/json': { schema: Account } } },
          ...problems({
            400: 'The name, the password or a permission is not valid.',
            403: 'Accounts are made by administrators alone, or the Origin or Host is not allowed.',
            409: 'The name is taken.',
            413: 'The body is too large.',
            415: 'The body is not JSON.',
            429: 'Too many requests, or too many accounts from this address.',
            503: 'It cannot be made durable now.',
          }),
        },
      },
      config: {
        openapi: {
          requestBody: {
            content: { 'application/json': { example: { name: 'alice', password: 'correct horse battery staple' } } },
          },
        },
      },
    },
    async (request, reply) => {
      const { name, password, may } = request.body;
      const by = await admitted(request, reply);
      let account: HubAccount;
      if (by?.caller.may.allows('admin') && by.caller.kind !== 'none') {
        account = await by.administration.addAccount(by.caller, name, password, may, networkOf(request.ip));
      } else {
        if (may !== undefined) throw new PermissionMissing('admin');
        account = await hub.admitToSignIn(request.ip).register(name, password, request.ip);
      }
      return reply.code(201).header('cache-control', 'no-store').send(accountJson(account));
    },
  );

  /** Who comes without a credential may still register; one that is no good is refused. */
  async function admitted(request: Parameters<typeof admit>[1], reply: object) {
    return hasCredential(request) ? admit(hub, request, reply) : undefined;
  }

  app.get(
    '/accounts',
    {
      schema: {
        operationId: 'listAccounts',
        tags: ['Accounts'],
        summary: 'Which accounts there are',
        description: 'For administrators.',
        security: [{ token: [] }],
        querystring: NoQuery,
        response: {
          200: { description: 'All accounts.', content: { 'application/json': { schema: AccountList } } },
          ...problems({ 400: 'A parameter is not known.', 429: 'Too many requests.' }),
        },
      },
    },
    async (request, reply) => {
      const { administration } = await admit(hub, request, reply);
      return reply.header('cache-control', 'no-store').send({
        accounts: administration.listAccounts().map(accountJson),
      });
    },
  );
}

/** `PUT /accounts/:name/password`, and `PATCH` and `DELETE /accounts/:name`. */
export function account(app: App, { hub }: Context): void {
  app.patch(
    '/accounts/:name',
    {
      schema: {
        operationId: 'permitAccount',
        tags: ['Accounts'],
        summary: 'Say what an account may do',
        description: 'For administrators. It holds at once, for sessions that there are, too.',
        security: [{ token: [] }],
        params: NameParams,
        querystring: NoQuery,
        body: PermittedAccount,
        response: {
          200: { description: 'The account.', content: { 'application/json': { schema: Account } } },
          ...problems({
            400: 'A permission is not valid.',
            404: 'There is no such account.',
            413: 'The body is too large.',
            415: 'The body is not JSON.',
            429: 'Too many requests.',
            503: 'It cannot be made durable now.',
          }),
        },
      },
      config: {
        openapi: {
          requestBody: {
            content: { 'application/json': { example: { may: ['connect', 'list', 'send:*', 'read:*'] } } },
          },
        },
      },
    },
    async (request, reply) => {
      const acting = await admit(hub, request, reply);
      const { administration } = acting;
      const account = await administration.setPermissions(acting.caller, request.params.name, request.body.may);
      return reply.header('cache-control', 'no-store').send(accountJson(account));
    },
  );

  app.put(
    '/accounts/:name/password',
    {
      schema: {
        operationId: 'setPassword',
        tags: ['Accounts'],
        summary: 'Set another password',
        description:
          'One’s own, with the current one; any as an administrator. All sessions of the account end but the one that asks.',
        security: [{ token: [] }],
        params: NameParams,
        querystring: NoQuery,
        body: NewPassword,
        response: {
          204: z.undefined().meta({ description: 'It is set.' }),
          ...problems({
            400: 'The password is not valid.',
            401: 'There is no credential, one that is not genuine, or the current password is wrong.',
            404: 'There is no such account.',
            413: 'The body is too large.',
            415: 'The body is not JSON.',
            429: 'Too many requests, or too many wrong passwords.',
            503: 'It cannot be made durable now.',
          }),
        },
      },
      config: {
        openapi: {
          requestBody: {
            content: {
              'application/json': {
                example: { password: 'another horse battery staple', current: 'correct horse battery staple' },
              },
            },
          },
        },
      },
    },
    async (request, reply) => {
      const acting = await admit(hub, request, reply);
      const { password, current } = request.body;
      await acting.setPassword(request.params.name, password, current);
      return reply.code(204).send();
    },
  );

  app.delete(
    '/accounts/:name',
    {
      schema: {
        operationId: 'removeAccount',
        tags: ['Accounts'],
        summary: 'Remove an account',
        description: 'One’s own, or any as an administrator. Its sessions end, and its client leaves with its mailbox.',
        security: [{ token: [] }],
        params: NameParams,
        querystring: NoQuery,
        response: {
          204: z.undefined().meta({ description: 'It is removed.' }),
          ...problems({
            400: 'This cannot be the name of an account.',
            404: 'There is no such account.',
            429: 'Too many requests.',
            503: 'It cannot be made durable now.',
          }),
        },
      },
    },
    async (request, reply) => {
      const acting = await admit(hub, request, reply);
      await acting.removeAccount(request.params.name);
      return reply.code(204).send();
    },
  );
}

function accountJson({ name, may, createdAt }: HubAccount) {
  return { name, may: [...may], createdAt: new Date(createdAt).toISOString() };
}
