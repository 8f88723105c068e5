/* SPDX-License-Identifier: Apache-2.0 */
/* Loading a plugin's code; see loader.h. Runs on the control thread. */
#include "core/plugin/loader.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/plugin/safe-open.h"

typedef const struct tn_plugin *(*entry_function)(
    const struct tn_entry_args *args);

/* Process-wide, as the dynamic linker's own list is. */
struct loaded_file {
    dev_t device;
    ino_t inode;
    int fd;
    const struct tn_plugin *plugin;
};
static GMutex lock;
static GArray *loaded_files; /* of struct loaded_file; under lock */

/* Enough for headers and notes of most plugins: one read. */
#define HEAD_BYTES 8192u

/* Reads the notes of the open file FD, called PATH. */
static int32_t read_notes(int fd, const char *path,
                          struct tn_plugin_notes *notes, struct stat *st,
                          struct tn_error *error)
{
    uint8_t head[HEAD_BYTES];
    struct tn_elf_input input = {.fd = fd, .memory = head};
    ssize_t got;
    int32_t code;

    if (fstat(fd, st)) {
        code = tn_error_set(error, -errno, "%s", g_strerror(errno));
    } else {
        got = pread(fd, head, sizeof head, 0);
        input.head = got > 0 ? (uint64_t)got : 0;
        input.size = (uint64_t)st->st_size;
        code = tn_plugin_notes_read(notes, &input, error);
    }
    if (code)
        tn_error_prefix(error, "%s: ", path);
    return code;
}

/* Opens PATH and reads its notes. Returns the descriptor. */
static int32_t open_plugin(struct tn_safe_walk *walk, const char *path,
                           struct tn_plugin_notes *notes, struct stat *st,
                           struct tn_error *error)
{
    int32_t fd = tn_safe_open(walk, path, error);
    int32_t code;

    if (fd < 0)
        return fd; /* the text names the file or the directory */
    code = read_notes(fd, path, notes, st, error);
    if (!code)
        return fd;
    close(fd);
    return code;
}

int32_t tn_plugin_inspect(const char *path, struct tn_plugin_notes *notes,
                          struct tn_error *error)
{
    struct stat st;
    int32_t fd = open_plugin(NULL, path, notes, &st, error);

    if (fd < 0)
        return fd;
    close(fd);
    return 0;
}

int32_t tn_plugin_inspect_at(int directory, const char *name, const char *path,
                             struct tn_plugin_notes *notes,
                             struct tn_error *error)
{
    int32_t fd = tn_safe_open_at(directory, name, path, error);
    struct stat st;
    int32_t code;

    if (fd < 0)
        return fd;
    code = read_notes(fd, path, notes, &st, error);
    close(fd);
    return code;
}

/* What the dynamic linker says is about /proc/self/fd/N, or about a library
 * that N needs. Its words for a missing one are the same in every C library
 * that has them at all; failing that the user still reads them. */
static int32_t explain_dlopen(const char *path, const char *name,
                              const char *why, struct tn_error *error)
{
    static const char missing[] = ": cannot open shared object file";
    const char *end;

    if (!why)
        why = "unknown reason";
    end = strstr(why, missing);
    if (end && !g_str_has_prefix(why, name))
        return tn_error_set(error, -ELIBACC,
                            "%s: needs the library '%.*s', which is missing",
                            path, (int)(end - why), why);
    if (g_str_has_prefix(why, name) && why[strlen(name)] == ':')
        why += strlen(name) + 1;
    while (*why == ' ')
        why++;
    return tn_error_set(error, -ENOEXEC, "%s: cannot be loaded: %s", path, why);
}

static int32_t call_entry(void *handle, const char *path,
                          const struct tn_plugin **plugin,
                          struct tn_error *error)
{
    static const struct tn_entry_args args = {
        .size = sizeof args,
        .abi_major = TN_ABI_MAJOR,
        .abi_minor = TN_ABI_MINOR,
        .fast_major = TN_FAST_MAJOR,
        .fast_minor = TN_FAST_MINOR,
    };
    entry_function entry =
        (entry_function)(uintptr_t)dlsym(handle, "tenon_plugin_entry");

    if (!entry)
        return tn_error_set(error, -ENOEXEC,
                            "%s: no Tenon plugin: it has notes but does not "
                            "export tenon_plugin_entry",
                            path);
    *plugin = entry(&args);
    if (!*plugin)
        return tn_error_set(error, -EPROTO,
                            "%s: refuses to work with this Tenon (its entry "
                            "function returned NULL)",
                            path);
    return 0;
}

static int32_t open_object(int fd, const char *path, void **handle,
                           struct tn_error *error)
{
    g_autofree char *name = g_strdup_printf("/proc/self/fd/%d", fd);

    *handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (*handle)
        return 0;
    if (access("/proc/self/fd", X_OK))
        return tn_error_set(error, -errno,
                            "%s: plugins are loaded through /proc, which is "
                            "not mounted",
                            path);
    return explain_dlopen(path, name, dlerror(), error);
}

static const struct loaded_file *find_loaded(const struct stat *st)
{
    for (guint i = 0; loaded_files && i < loaded_files->len; i++) {
        const struct loaded_file *file =
            &g_array_index(loaded_files, struct loaded_file, i);

        if (file->device == st->st_dev && file->inode == st->st_ino)
            return file;
    }
    return NULL;
}

/* Under lock. Keeps FD once the object is mapped, even if it is refused. */
static int32_t load_once(int fd, const char *path, const struct stat *st,
                         const struct tn_plugin **plugin,
                         struct tn_error *error)
{
    const struct loaded_file *known = find_loaded(st);
    struct loaded_file file = {st->st_dev, st->st_ino, fd, NULL};
    void *handle;
    int32_t code;

    if (known) {
        close(fd);
        *plugin = known->plugin;
        return *plugin ? 0
                       : tn_error_set(error, -EPROTO, "%s: was refused before",
                                      path);
    }
    code = open_object(fd, path, &handle, error);
    if (code) {
        close(fd);
        return code;
    }
    code = call_entry(handle, path, &file.plugin, error);
    if (!loaded_files)
        loaded_files = g_array_new(FALSE, FALSE, sizeof(struct loaded_file));
    g_array_append_val(loaded_files, file);
    *plugin = file.plugin;
    return code;
}

int32_t tn_plugin_load(struct tn_safe_walk *walk, const char *path,
                       const struct tn_plugin **plugin, struct tn_error *error)
{
    struct tn_plugin_notes notes;
    struct stat st;
    int32_t code;
    int fd = open_plugin(walk, path, &notes, &st, error);

    if (fd < 0)
        return fd;
    code = tn_plugin_info_supported(&notes.info, error);
    if (code) {
        tn_error_prefix(error, "%s: ", path);
        close(fd);
    } else {
        g_mutex_lock(&lock);
        code = load_once(fd, path, &st, plugin, error);
        g_mutex_unlock(&lock);
        if (!code) {
            code = tn_plugin_check_descriptor(*plugin, &notes, error);
            if (code)
                tn_error_prefix(error, "%s: ", path);
        }
    }
    tn_plugin_notes_clear(&notes);
    return code;
}
