/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a file whose content will run as us; see safe-open.h. */
#include "core/plugin/safe-open.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

static gboolean trusted_owner(uid_t owner)
{
    if (owner == 0)
        return TRUE;
    /* Privileged: the invoking user must not choose our code. */
    if (getauxval(AT_SECURE) || geteuid() != getuid())
        return FALSE;
    return owner == getuid();
}

/* STICKY_OK: see the exception in safe-open.h. */
static int32_t check(const struct stat *st, const char *kind, const char *path,
                     gboolean sticky_ok, struct tn_error *error)
{
    if (!trusted_owner(st->st_uid))
        return tn_error_set(error, -EACCES,
                            "unsafe permissions: the %s '%s' belongs to "
                            "another user (uid %u)",
                            kind, path, (guint)st->st_uid);
    if (!(st->st_mode & (S_IWGRP | S_IWOTH)) ||
        (sticky_ok && (st->st_mode & S_ISVTX)))
        return 0;
    return tn_error_set(error, -EACCES,
                        "unsafe permissions: %s can write the %s '%s' "
                        "(chmod %s to mend that)",
                        st->st_mode & S_IWOTH ? "anybody" : "its group", kind,
                        path, st->st_mode & S_IWOTH ? "go-w" : "g-w");
}

/* A directory above what is opened, checked. */
struct held {
    char *path; /* without links */
    int fd;
};

/* The first that are met: those near the root, which all paths share. */
#define MAX_HELD 16u

struct tn_safe_walk {
    struct held held[MAX_HELD];
    guint count;
};

struct tn_safe_walk *tn_safe_walk_new(void)
{
    return g_new0(struct tn_safe_walk, 1);
}

void tn_safe_walk_forget(struct tn_safe_walk *walk)
{
    for (guint i = 0; walk && i < walk->count; i++) {
        close(walk->held[i].fd);
        g_free(walk->held[i].path);
    }
    if (walk)
        walk->count = 0;
}

void tn_safe_walk_free(struct tn_safe_walk *walk)
{
    tn_safe_walk_forget(walk);
    g_free(walk);
}

/* The deepest directory held that PATH is in. */
static const struct held *nearest(const struct tn_safe_walk *walk,
                                  const char *path, gsize *length)
{
    const struct held *found = NULL;

    *length = 0;
    for (guint i = 0; walk && i < walk->count; i++) {
        const struct held *held = &walk->held[i];
        gsize n = strlen(held->path);

        if (n > *length && !strncmp(held->path, path, n) &&
            (path[n] == '/' || (n == 1 && path[n]))) {
            found = held;
            *length = n;
        }
    }
    return found;
}

/* Takes FD over, if there is room. */
static gboolean hold(struct tn_safe_walk *walk, const char *path, int fd)
{
    if (!walk || walk->count == MAX_HELD)
        return FALSE;
    walk->held[walk->count++] = (struct held){g_strdup(path), fd};
    return TRUE;
}

/* Where a walk has got to. */
struct place {
    int fd;
    gboolean held; /* by the walk, not by us */
};

static void leave(struct place *place)
{
    if (!place->held && place->fd >= 0)
        close(place->fd);
    place->fd = -1;
}

/* Checks PLACE, the directory PATH; LAST is the one that was asked for. */
static int32_t check_step(struct tn_safe_walk *walk, struct place *place,
                          const char *path, gboolean last,
                          struct tn_error *error)
{
    struct stat st;
    int32_t code;

    if (fstat(place->fd, &st))
        code = tn_error_set(error, -errno, "'%s': %s", path, g_strerror(errno));
    else
        code = check(&st, "directory", path, !last, error);
    if (code)
        leave(place);
    else if (!last)
        place->held = hold(walk, path, place->fd);
    return code;
}

/* Where the walk to PATH begins, *DONE bytes into it. */
static int32_t first_step(struct tn_safe_walk *walk, const char *path,
                          struct place *place, gsize *done,
                          struct tn_error *error)
{
    const struct held *held = nearest(walk, path, done);

    if (held) {
        *place = (struct place){held->fd, TRUE};
        return 0;
    }
    *done = 1;
    place->held = FALSE;
    place->fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (place->fd < 0)
        return tn_error_set(error, -errno, "'/': %s", g_strerror(errno));
    return check_step(walk, place, "/", !path[1], error);
}

/* From PLACE to NAME in it, which ends PATH. */
static int32_t next_step(struct tn_safe_walk *walk, struct place *place,
                         const char *name, const char *path, gboolean last,
                         struct tn_error *error)
{
    struct place next = {.fd = openat(place->fd, name,
                                      O_PATH | O_DIRECTORY | O_NOFOLLOW |
                                          O_CLOEXEC)};
    int32_t code = next.fd < 0 ? -errno : 0;

    leave(place);
    *place = next;
    if (code)
        return tn_error_set(error, code, "'%s': %s", path, g_strerror(-code));
    return check_step(walk, place, path, last, error);
}

/* Opens the directory PATH, absolute and plain, checking each step. A link in
 * it is an error. */
static int32_t walk_plain(struct tn_safe_walk *walk, const char *path,
                          struct tn_error *error)
{
    g_autofree char *part = g_strdup(path);
    struct place place;
    gsize done;
    int32_t code = first_step(walk, path, &place, &done, error);

    while (!code && path[done]) {
        gsize from = done + (path[done] == '/');
        gsize end = from + strcspn(path + from, "/");

        part[end] = '\0';
        code = next_step(walk, &place, part + from, part, !path[end], error);
        part[end] = path[end];
        done = end;
    }
    return code ? code : place.fd;
}

/* Absolute, and no step of it empty, "." or "..". */
static gboolean plain(const char *path)
{
    if (path[0] != '/')
        return FALSE;
    for (const char *p = path; *p && path[1];) {
        gsize n = strcspn(++p, "/");

        if (n == 0 || (n <= 2 && !strncmp(p, "..", n)))
            return FALSE;
        p += n;
    }
    return TRUE;
}

int32_t tn_safe_directory(struct tn_safe_walk *walk, const char *path,
                          struct tn_error *error)
{
    char *real;
    int32_t fd = plain(path) ? walk_plain(walk, path, NULL) : -EINVAL;

    if (fd >= 0)
        return fd;
    /* A link, or a problem: the real path decides, and is what is named. */
    real = realpath(path, NULL);
    if (!real)
        return tn_error_set(error, -errno, "'%s': %s", path, g_strerror(errno));
    fd = walk_plain(walk, real, error);
    free(real);
    return fd;
}

int32_t tn_safe_open_at(int directory, const char *name, const char *path,
                        struct tn_error *error)
{
    struct stat st;
    int32_t code;
    /* Non-blocking: opening a FIFO must not wait for a writer. */
    int fd =
        openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0 && errno == ELOOP)
        return tn_error_set(error, -EACCES, "unsafe: '%s' is a symbolic link",
                            path);
    if (fd < 0)
        return tn_error_set(error, -errno, "'%s': %s", path, g_strerror(errno));
    if (fstat(fd, &st))
        code = tn_error_set(error, -errno, "'%s': %s", path, g_strerror(errno));
    else if (!S_ISREG(st.st_mode))
        code = tn_error_set(error, -EACCES, "'%s' is no plain file", path);
    else
        code = check(&st, "file", path, FALSE, error);
    if (!code)
        return fd;
    close(fd);
    return code;
}

int32_t tn_safe_open(struct tn_safe_walk *walk, const char *path,
                     struct tn_error *error)
{
    g_autofree char *parent = g_path_get_dirname(path);
    g_autofree char *name = g_path_get_basename(path);
    int32_t directory = tn_safe_directory(walk, parent, error);
    int32_t file;

    if (directory < 0)
        return directory;
    file = tn_safe_open_at(directory, name, path, error);
    close(directory);
    return file;
}
