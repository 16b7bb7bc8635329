import { nameOf } from '../wording.js';

/** The name of a client, in its colour, and its number where the name does not say it. A name is somebody's text: it is kept in its place. */
export function ClientName({ client }: { readonly client: { readonly index: number; readonly name: string | null } }) {
  return (
    <span class="client">
      <bdi class={`name hue-${client.index % 8}`}>{nameOf(client)}</bdi>
      {client.name !== null && (
        <span class="number" title={`Client ${client.index}`}>
          <span class="unseen">, client </span>
          {client.index}
        </span>
      )}
    </span>
  );
}
