import t from 'tap';
import { PresenceNews } from '../../src/cli/presence-news.js';
import type { Presence } from '../../src/sdk/index.js';

const SINCE = '2026-01-31T12:00:00.000Z';

const of = (
  index: number,
  change: Presence['change'],
  more: { name?: string; room?: string; connectedAt?: string } = {},
) => {
  const { name = 'bob', room, connectedAt = '2026-01-31T11:00:00.000Z' } = more;
  const status = change === 'away' || change === 'left' ? 'away' : 'online';
  const client = { index, name, status, socket: null, streams: 0, connectedAt, lastSeenAt: SINCE, rooms: [] };
  return { change, client, room } as Presence;
};

void t.test('what repeats what was told is no news to a person', async (t) => {
  const news = new PresenceNews(SINCE);
  const all = [
    of(1, 'joined'),
    of(1, 'entered', { room: 'a' }),
    of(1, 'back'),
    of(1, 'entered', { room: 'a' }),
    of(1, 'renamed'),
    of(1, 'renamed', { name: 'robert' }),
    of(1, 'away'),
    of(1, 'away'),
    of(1, 'back'),
    of(1, 'exited', { room: 'a' }),
    of(1, 'left'),
  ];
  t.same(
    all.map((one) => news.isNews(one)),
    [true, true, false, false, false, true, true, false, true, true, true],
  );
});

void t.test('a client that was there before is news, one that came and went unseen is not', async (t) => {
  const news = new PresenceNews(SINCE);
  t.ok(news.isNews(of(1, 'left')));
  t.notOk(news.isNews(of(2, 'left', { connectedAt: '2026-01-31T12:00:01.000Z' })));
  t.ok(news.isNews(of(3, 'away')));
  t.ok(news.isNews(of(3, 'left')));
});
