import { once } from 'node:events';
import { createServer, connect, type Server, type Socket } from 'node:net';

/** Stands between two parties that speak TCP, and can cut them off from each other. */
export class TcpProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #cut = false;

  private constructor(
    readonly port: number,
    target: number,
  ) {
    this.#server = createServer((inner) => {
      this.#keep(inner);
      if (this.#cut) return inner.destroy();
      const outer = this.#keep(connect(target, '127.0.0.1'));
      inner.pipe(outer);
      outer.pipe(inner);
      inner.once('close', () => outer.destroy());
      outer.once('close', () => inner.destroy());
      return undefined;
    });
  }

  /** Listens on `port`, and leads to `target`, both on 127.0.0.1. */
  static async open(port: number, target: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(port, target);
    proxy.#server.listen(port, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  /** Ends all connections, and lets none come about until {@link heal}. */
  cut(): void {
    this.#cut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Lets nothing through any more on the connections there are, and tells neither side. */
  stall(): void {
    for (const socket of this.#sockets) socket.unpipe().pause();
  }

  heal(): void {
    this.#cut = false;
  }

  close(): void {
    this.cut();
    this.#server.close();
  }

  #keep(socket: Socket): Socket {
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => this.#sockets.delete(socket));
    return socket;
  }
}
