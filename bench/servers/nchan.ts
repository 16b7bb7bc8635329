import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Stream } from '../client/stream.js';
import { type Candidate, freePort, type Server, ServerProcess } from './server.js';

const NGINX = '/usr/sbin/nginx';
const MODULE = '/usr/lib/nginx/modules/ngx_nchan_module.so';

/** nginx with nchan, as Debian packages them: messages in memory, the last 100 of each channel. */
export const nchan: Candidate = {
  name: 'nginx + nchan',
  missing: () => (existsSync(NGINX) && existsSync(MODULE) ? null : 'apt-get install nginx libnginx-mod-nchan'),
  async start(folder) {
    const port = await freePort();
    await mkdir(folder, { recursive: true });
    const file = join(folder, 'nginx.conf');
    await writeFile(file, configuration(port, folder));
    const child = await ServerProcess.start([NGINX, '-c', file, '-p', folder], { port, ready: null });
    return {
      port,
      pathToAll: '/publish?id=all',
      async open(n, kind, onEnd) {
        const id = kind === 'shared' ? 'all' : String(n);
        return { stream: await Stream.open({ port, path: `/events?id=${id}` }, onEnd), path: `/publish?id=${id}` };
      },
      usage: () => child.usage(),
      stop: () => child.stop(),
    } satisfies Server;
  },
};

function configuration(port: number, folder: string): string {
  return `
load_module ${MODULE};
daemon off;
user root;
pid ${folder}/nginx.pid;
error_log stderr crit;
worker_processes 1;
worker_rlimit_nofile 30000;
events { worker_connections 25000; }
http {
  access_log off;
  keepalive_requests 100000000;
  nchan_shared_memory_size 512M;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / { return 200 "ok"; }
    location /events { nchan_subscriber eventsource; nchan_channel_id $arg_id; nchan_subscriber_first_message newest; }
    location /oldest { nchan_subscriber eventsource; nchan_channel_id $arg_id; nchan_subscriber_first_message oldest; }
    location /publish { nchan_publisher; nchan_channel_id $arg_id; nchan_message_buffer_length 100; }
  }
}
`;
}
