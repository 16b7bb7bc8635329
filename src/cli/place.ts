/**
 * Behind all messages there are: whoever shows a credential may go on at a place instead of a cursor, and the server takes one that is
 * too far for the newest.
 */
export const NEWEST = '9'.repeat(15);
