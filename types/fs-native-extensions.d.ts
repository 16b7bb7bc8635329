declare module 'fs-native-extensions' {
  /** Takes an exclusive lock on an open file (fcntl OFD lock); false when somebody else has it. Closing the file frees it. */
  export function tryLock(fd: number): boolean;
}
