/**
 * What names a room within the hub. A public room goes by its name. A private one is `NAME.NUMBER`: its name means it only to
 * those who are in it or invited, so that nobody else can find out, by what is refused, that there is such a room.
 */
export type RoomId = string;

export function privateRoomId(name: string, number: number): RoomId {
  return `${name}.${number}`;
}

export function isPrivate(room: RoomId): boolean {
  return room.includes('.');
}

/** The name by which people know it. */
export function nameOf(room: RoomId): string {
  const end = room.indexOf('.');
  return end < 0 ? room : room.slice(0, end);
}
