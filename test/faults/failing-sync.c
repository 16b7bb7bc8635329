/*
 * A disk that cannot make anything durable: every sync fails with EIO while the file is there that FAILING_SYNC names, and hangs
 * while the file is there that HANGING_SYNC names.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

static int fails(void) {
  const char *hanging = getenv("HANGING_SYNC");
  const char *file = getenv("FAILING_SYNC");
  while (hanging != NULL && access(hanging, F_OK) == 0) usleep(20000);
  if (file == NULL || access(file, F_OK) != 0) return 0;
  errno = EIO;
  return 1;
}

int fsync(int fd) { return fails() ? -1 : ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd); }

int fdatasync(int fd) { return fails() ? -1 : ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd); }

int msync(void *at, size_t length, int flags) {
  return fails() ? -1 : ((int (*)(void *, size_t, int))dlsym(RTLD_NEXT, "msync"))(at, length, flags);
}
