/* A disk that does not answer: while the file is there that HANGING_DISK names, every sync and write to a data file waits. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static void hang(int fd) {
  const char *file = getenv("HANGING_DISK");
  char link[64], path[PATH_MAX];
  if (file == NULL || access(file, F_OK) != 0) return;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length <= 0) return;
  path[length] = 0;
  if (strstr(path, "/log.mdb") == NULL) return;
  while (access(file, F_OK) == 0) usleep(20000);
}

#define REAL(name, type) ((type)dlsym(RTLD_NEXT, name))

int fsync(int fd) {
  hang(fd);
  return REAL("fsync", int (*)(int))(fd);
}

int fdatasync(int fd) {
  hang(fd);
  return REAL("fdatasync", int (*)(int))(fd);
}

ssize_t pwrite64(int fd, const void *from, size_t size, off_t at) {
  hang(fd);
  return REAL("pwrite64", ssize_t (*)(int, const void *, size_t, off_t))(fd, from, size, at);
}

ssize_t writev(int fd, const struct iovec *from, int parts) {
  hang(fd);
  return REAL("writev", ssize_t (*)(int, const struct iovec *, int))(fd, from, parts);
}
