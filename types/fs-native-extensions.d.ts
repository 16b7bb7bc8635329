declare module 'fs-native-extensions' {
  /** Takes a lock on an open file (fcntl OFD lock), an exclusive one by default; false when somebody else's is in the way. Closing the file frees it. */
  export function tryLock(fd: number, options?: { readonly shared: boolean }): boolean;
}
