/** What a terminal sends for a key. */
export const ENTER = '\r';
export const ALT_ENTER = '\x1b\r';
export const TAB = '\t';
export const CTRL_C = '\x03';
export const CTRL_D = '\x04';
export const CTRL_L = '\x0c';
export const CTRL_R = '\x12';
export const CTRL_U = '\x15';
export const CTRL_Z = '\x1a';
export const UP = '\x1b[A';
export const DOWN = '\x1b[B';
export const RIGHT = '\x1b[C';
export const LEFT = '\x1b[D';
export const PAGE_UP = '\x1b[5~';
export const PAGE_DOWN = '\x1b[6~';
