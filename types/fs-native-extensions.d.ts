declare module 'fs-native-extensions' {
  /** Takes a lock on an open file (fcntl OFD lock), an exclusive one by default; false when somebody else's is in the way. Closing the file frees it. */
  export function tryLock(fd: number, options?: { readonly shared: boolean }): boolean;
  /** The same of a part of the file, in bytes. Where the system has no locks of parts (macOS), it is the whole file. */
  export function tryLock(fd: number, offset: number, length: number): boolean;
}
