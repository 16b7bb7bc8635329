/** When something was sent, in the time of this place: `14:05`, with the date in front if that was not today. */
export function timeOf(sentAt: string, now = new Date()): string {
  const date = new Date(sentAt);
  if (Number.isNaN(date.getTime())) return '??:??';
  const time = `${pad(date.getHours())}:${pad(date.getMinutes())}`;
  if (date.toDateString() === now.toDateString()) return time;
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())} ${time}`;
}

function pad(number: number): string {
  return String(number).padStart(2, '0');
}
