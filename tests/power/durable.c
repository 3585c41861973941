/* A disk that forgets what was not synced: preloaded into programs, it keeps a copy of each file as of its last sync.
 *
 * Below POWER_ROOT, fsync() and fdatasync() of a file copy its contents to POWER_KEPT/inodes/KEY; a file that is new also gets its
 * name, as on ext4 and XFS.  fsync() of a folder makes the names in POWER_KEPT/tree those that it has now: until then a rename or
 * an unlink has not happened.  The names are hard links, so contents follow an inode through every name.  While POWER_KEPT/off
 * exists, the power is cut: a sync does not return.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK 65536

/* A folder that can be fsynced by whoever runs the program: Postgres is another user. */
static void make_folders(char *path, size_t from) {
  for (char *at = path + from; (at = strchr(at, '/')) != NULL; at++) {
    *at = '\0';
    if (mkdir(path, 0777) == 0)
      chmod(path, 0777);
    *at = '/';
  }
}

/* Write the name that POWER_KEPT/inodes gives a file: a number that comes again is told apart by the file's birth. */
int power_key(int folder, const char *name, char *key, size_t size) {
  struct statx found;
  int flags = AT_SYMLINK_NOFOLLOW | (*name ? 0 : AT_EMPTY_PATH);
  if (statx(folder, name, flags, STATX_INO | STATX_BTIME, &found) != 0 || !(found.stx_mask & STATX_BTIME))
    return -1;
  snprintf(key, size, "%llu.%lld.%09u", (unsigned long long)found.stx_ino, (long long)found.stx_btime.tv_sec,
           found.stx_btime.tv_nsec);
  return 0;
}

static int open_inode(const char *kept, const char *key, char *path) {
  snprintf(path, PATH_MAX, "%s/inodes/%s", kept, key);
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (fd >= 0)
    fchmod(fd, 0666);
  return fd;
}

/* Give the kept inode *from* the name *to*, whatever had it. */
static void name_inode(const char *from, const char *to) {
  struct stat one, two;
  char fresh[PATH_MAX + 32];
  if (stat(from, &one) == 0 && stat(to, &two) == 0 && one.st_ino == two.st_ino)
    return;
  snprintf(fresh, sizeof fresh, "%s.%ld.fresh", from, (long)getpid());
  unlink(fresh);
  if (link(from, fresh) == 0)
    rename(fresh, to);
}

static int copy_changed(int from, int to) {
  char *blocks = malloc(2 * BLOCK);
  off_t at = 0;
  ssize_t got = 0;
  if (blocks == NULL)
    return -1;
  while ((got = pread(from, blocks, BLOCK, at)) > 0) {
    ssize_t had = pread(to, blocks + BLOCK, got, at);
    if ((had != got || memcmp(blocks, blocks + BLOCK, got) != 0) && pwrite(to, blocks, got, at) != got) {
      got = -1;
      break;
    }
    at += got;
  }
  free(blocks);
  return got < 0 ? -1 : ftruncate(to, at);
}

static int keep_file(const char *root, const char *kept, int fd, const char *path) {
  char key[128], inode[PATH_MAX], name[PATH_MAX], self[64];
  struct stat found;
  if (power_key(fd, "", key, sizeof key) != 0)
    return -1;
  int to = open_inode(kept, key, inode);
  snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
  int from = open(self, O_RDONLY | O_CLOEXEC);
  int result = -1;
  if (to >= 0 && from >= 0 && flock(to, LOCK_EX) == 0 && copy_changed(from, to) == 0 && fstat(to, &found) == 0) {
    if (found.st_nlink == 1) {
      int start = snprintf(name, sizeof name, "%s/tree", kept);
      snprintf(name + start, sizeof name - start, "%s", path + strlen(root));
      make_folders(name, start + 1);
      name_inode(inode, name);
    }
    result = 1;
  }
  if (from >= 0)
    close(from);
  if (to >= 0)
    close(to);
  return result;
}

static int remove_one(const char *path, const struct stat *found, int type, struct FTW *where) {
  (void)found, (void)type, (void)where;
  return remove(path);
}

/* A folder that is new among the durable names brings along what was kept of its files: it may have been renamed. */
static void adopt(const char *kept, const char *live, const char *tree) {
  char from[PATH_MAX], to[PATH_MAX], inode[PATH_MAX], key[128];
  struct dirent *entry;
  struct stat found;
  DIR *folder = opendir(live);
  while (folder != NULL && (entry = readdir(folder)) != NULL) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
        snprintf(from, sizeof from, "%s/%s", live, entry->d_name) >= (int)sizeof from ||
        snprintf(to, sizeof to, "%s/%s", tree, entry->d_name) >= (int)sizeof to || lstat(from, &found) != 0)
      continue;
    if (S_ISDIR(found.st_mode)) {
      if (mkdir(to, 0777) == 0)
        chmod(to, 0777);
      adopt(kept, from, to);
    } else if (power_key(AT_FDCWD, from, key, sizeof key) == 0) {
      snprintf(inode, sizeof inode, "%s/inodes/%s", kept, key);
      if (access(inode, F_OK) == 0)
        name_inode(inode, to);
    }
  }
  if (folder != NULL)
    closedir(folder);
}

static int keep_folder(const char *root, const char *kept, const char *path) {
  char tree[PATH_MAX], name[2 * PATH_MAX], key[128], inode[PATH_MAX];
  struct dirent *entry;
  struct stat found;
  int start = snprintf(tree, sizeof tree, "%s/tree", kept);
  snprintf(tree + start, sizeof tree - start, "%s/", path + strlen(root));
  make_folders(tree, start + 1);
  int lock = open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *live = opendir(path), *durable = opendir(tree);
  int result = lock < 0 || live == NULL || durable == NULL || flock(lock, LOCK_EX) != 0 ? -1 : 1;
  while (result == 1 && (entry = readdir(live)) != NULL) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
        fstatat(dirfd(live), entry->d_name, &found, AT_SYMLINK_NOFOLLOW) != 0)
      continue;
    snprintf(name, sizeof name, "%s%s", tree, entry->d_name);
    if (S_ISDIR(found.st_mode)) {
      if ((rmdir(name) == 0 || errno == ENOENT) && mkdir(name, 0777) == 0) {
        chmod(name, 0777);
        snprintf(inode, sizeof inode, "%s/%s", path, entry->d_name);
        adopt(kept, inode, name);
      }
    } else if (S_ISREG(found.st_mode) && power_key(dirfd(live), entry->d_name, key, sizeof key) == 0) {
      int fd = open_inode(kept, key, inode);
      if (fd >= 0)
        close(fd);
      name_inode(inode, name);
    }
  }
  while (result == 1 && (entry = readdir(durable)) != NULL) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
      continue;
    snprintf(name, sizeof name, "%s%s", tree, entry->d_name);
    if (fstatat(dirfd(live), entry->d_name, &found, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT)
      nftw(name, remove_one, 16, FTW_DEPTH | FTW_PHYS);
  }
  if (live != NULL)
    closedir(live);
  if (durable != NULL)
    closedir(durable);
  if (lock >= 0)
    close(lock);
  return result;
}

/* Keep what *fd* names as it is now; return 1, or 0 where it is not below *root*, or -1 where that failed. */
int power_keep(const char *root, const char *kept, int fd) {
  char self[64], path[PATH_MAX], off[PATH_MAX];
  struct stat found;
  size_t length = strlen(root);
  snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
  ssize_t got = readlink(self, path, sizeof path - 1);
  if (got < 0)
    return 0;
  path[got] = '\0';
  if (strncmp(path, root, length) != 0 || (path[length] != '/' && path[length] != '\0') || fstat(fd, &found) != 0 ||
      found.st_nlink == 0)
    return 0;
  snprintf(off, sizeof off, "%s/off", kept);
  while (access(off, F_OK) == 0)
    pause();
  if (S_ISDIR(found.st_mode))
    return keep_folder(root, kept, path);
  return S_ISREG(found.st_mode) ? keep_file(root, kept, fd, path) : 0;
}

static int synced(int fd, const char *name) {
  const char *root = getenv("POWER_ROOT"), *kept = getenv("POWER_KEPT");
  int before = errno, done = root != NULL && kept != NULL ? power_keep(root, kept, fd) : 0;
  /* a store that is told of an error stops: the run does not go on with a copy that is not whole */
  errno = done < 0 ? EIO : before;
  return done == 0 ? ((int (*)(int))dlsym(RTLD_NEXT, name))(fd) : done < 0 ? -1 : 0;
}

int fsync(int fd) { return synced(fd, "fsync"); }

int fdatasync(int fd) { return synced(fd, "fdatasync"); }
