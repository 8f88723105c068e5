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

static int32_t check_fd(int fd, const char *path, gboolean last,
                        struct tn_error *error)
{
    struct stat st;

    if (fstat(fd, &st))
        return tn_error_set(error, -errno, "'%s': %s", path, g_strerror(errno));
    return check(&st, "directory", path, !last, error);
}

/* Opens the directory REAL, a path without links, checking each step. */
static int32_t walk(const char *real, struct tn_error *error)
{
    g_auto(GStrv) names = g_strsplit(real + 1, "/", -1);
    g_autoptr(GString) path = g_string_new("/");
    guint n = real[1] ? g_strv_length(names) : 0;
    int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int32_t code = fd < 0 ? -errno : check_fd(fd, "/", n == 0, error);

    for (guint i = 0; i < n && !code; i++) {
        int next =
            openat(fd, names[i], O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        g_string_append_printf(path, "%s%s", i ? "/" : "", names[i]);
        if (next < 0) {
            code = tn_error_set(error, -errno, "'%s': %s", path->str,
                                g_strerror(errno));
            break;
        }
        close(fd);
        fd = next;
        code = check_fd(fd, path->str, i + 1 == n, error);
    }
    if (!code)
        return fd;
    if (fd >= 0)
        close(fd);
    return code;
}

/* A descriptor of the checked directory PATH; *REAL is its real path. */
static int32_t open_directory(const char *path, char **real,
                              struct tn_error *error)
{
    *real = realpath(path, NULL);
    if (!*real)
        return tn_error_set(error, -errno, "'%s': %s", path, g_strerror(errno));
    return walk(*real, error);
}

int32_t tn_safe_directory(const char *path, struct tn_error *error)
{
    char *real = NULL;
    int32_t fd = open_directory(path, &real, error);

    free(real);
    if (fd < 0)
        return fd;
    close(fd);
    return 0;
}

static int32_t open_file(int directory, const char *path, const char *name,
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

int32_t tn_safe_open(const char *path, char **real, struct tn_error *error)
{
    g_autofree char *parent = g_path_get_dirname(path);
    g_autofree char *name = g_path_get_basename(path);
    char *directory = NULL;
    int32_t fd = open_directory(parent, &directory, error);
    int32_t file;

    if (fd < 0) {
        free(directory);
        return fd;
    }
    file = open_file(fd, path, name, error);
    if (file >= 0 && real)
        *real = g_build_filename(directory, name, NULL);
    free(directory);
    close(fd);
    return file;
}
