import type { App, Context } from '../context.js';
import { account, accounts } from './accounts.js';
import { connect } from './connect.js';
import { createClient } from './create-client.js';
import { getClient } from './get-client.js';
import { keys } from './keys.js';
import { leave } from './leave.js';
import { listClients } from './list-clients.js';
import { membership } from './membership.js';
import { messages } from './messages.js';
import { moderation } from './moderation.js';
import { privateRooms } from './private-rooms.js';
import { readMailbox } from './read-mailbox.js';
import { readUpTo } from './read-up-to.js';
import { renameClient } from './rename-client.js';
import { roomMessages } from './room-messages.js';
import { rooms } from './rooms.js';
import { send } from './send.js';
import { serving } from './serving.js';
import { sessions } from './sessions.js';

/** Adds everything the OpenAPI document describes, in the order in which it does. */
export function addRoutes(app: App, context: Context): void {
  for (const route of [
    connect,
    listClients,
    createClient,
    getClient,
    renameClient,
    leave,
    send,
    messages,
    readMailbox,
    readUpTo,
    rooms,
    membership,
    roomMessages,
    privateRooms,
    accounts,
    sessions,
    // Behind the sessions, so that who follows the document can sign in before the account is gone.
    account,
    keys,
    moderation,
    serving,
  ]) {
    route(app, context);
  }
}
