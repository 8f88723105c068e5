/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See memory.h. Address space is reserved for each file and the pages of it
 * that differ from its base are known, so that putting a file back costs what
 * was changed. [control]
 */
#include "tests/image/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <glib/gstdio.h>

static struct memory *current; /* create() of an instance has no place for it */

/* ---- content ---- */

static uint8_t *reserve(void)
{
    void *data = mmap(NULL, MEMORY_MOST, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    assert_true(data != MAP_FAILED);
    return data;
}

static void free_file(gpointer data)
{
    struct memory_file *file = data;

    munmap(file->data, MEMORY_MOST);
    munmap(file->base, MEMORY_MOST);
    g_array_unref(file->dirty);
    g_free(file->is_dirty);
    g_free(file->name);
    g_free(file);
}

static void mark(struct memory_file *file, uint64_t offset, uint64_t bytes)
{
    uint64_t end = (offset + bytes + MEMORY_PAGE - 1) / MEMORY_PAGE;

    for (uint64_t page = offset / MEMORY_PAGE; page < end; page++)
        if (!file->is_dirty[page]) {
            guint32 p = (guint32)page;

            file->is_dirty[page] = 1;
            g_array_append_val(file->dirty, p);
        }
}

gboolean mem_touch(struct memory_file *file, uint64_t offset,
                      uint64_t bytes)
{
    if (offset > MEMORY_MOST || bytes > MEMORY_MOST - offset)
        return FALSE;
    mark(file, offset, bytes);
    file->high = MAX(file->high, offset + bytes);
    file->length = MAX(file->length, offset + bytes);
    return TRUE;
}

gboolean mem_write(struct memory_file *file, uint64_t offset,
                      const uint8_t *data, uint64_t bytes)
{
    uint64_t end = offset + bytes;

    if (data) {
        if (!mem_touch(file, offset, bytes))
            return FALSE;
        memcpy(file->data + offset, data, bytes);
        return TRUE;
    }
    /* Zeroes: nothing is there beyond HIGH. */
    if (offset < file->high) {
        bytes = MIN(bytes, file->high - offset);
        mark(file, offset, bytes);
        memset(file->data + offset, 0, bytes);
    }
    file->length = MAX(file->length, end);
    return TRUE;
}

void mem_resize(struct memory_file *file, uint64_t bytes)
{
    if (bytes < file->high) {
        mem_write(file, bytes, NULL, file->high - bytes);
        file->high = bytes;
    }
    file->length = bytes;
}

void mem_base_write(struct memory_file *file, uint64_t offset,
                       const uint8_t *data, uint64_t bytes)
{
    uint64_t end = offset + bytes;

    if (!data && offset < file->base_high) {
        uint64_t n = MIN(bytes, file->base_high - offset);

        mark(file, offset, n);
        memset(file->base + offset, 0, n);
    } else if (data) {
        assert_true(end <= MEMORY_MOST);
        mark(file, offset, bytes);
        memcpy(file->base + offset, data, bytes);
        file->base_high = MAX(file->base_high, end);
    }
    file->base_length = MAX(file->base_length, end);
}

void mem_base_resize(struct memory_file *file, uint64_t bytes)
{
    if (bytes < file->base_high) {
        mem_base_write(file, bytes, NULL, file->base_high - bytes);
        file->base_high = bytes;
    }
    file->base_length = bytes;
}

void mem_restore(struct memory_file *file)
{
    for (guint i = 0; i < file->dirty->len; i++) {
        uint64_t page = g_array_index(file->dirty, guint32, i);

        memcpy(file->data + page * MEMORY_PAGE, file->base + page * MEMORY_PAGE,
               MEMORY_PAGE);
        file->is_dirty[page] = 0;
    }
    file->memory->restored_pages += file->dirty->len;
    g_array_set_size(file->dirty, 0);
    file->length = file->base_length;
    file->high = file->base_high;
}

void mem_restore_all(struct memory *memory)
{
    GHashTableIter iter;
    gpointer file;

    g_hash_table_iter_init(&iter, memory->files);
    while (g_hash_table_iter_next(&iter, NULL, &file))
        mem_restore(file);
}

/* ---- files ---- */

struct memory_file *mem_find(struct memory *memory, const char *name)
{
    if (g_str_has_prefix(name, "file://"))
        name += 7;
    else if (g_str_has_prefix(name, "file:"))
        name += 5;
    return g_hash_table_lookup(memory->files, name);
}

static gboolean is_zero(const uint8_t *data, uint64_t bytes)
{
    return bytes == 0 || (!data[0] && !memcmp(data, data + 1, bytes - 1));
}

struct memory_file *mem_put(struct memory *memory, const char *name,
                               const uint8_t *data, uint64_t bytes)
{
    struct memory_file *file = mem_find(memory, name);

    if (!file) {
        file = g_new0(struct memory_file, 1);
        file->memory = memory;
        file->name = g_strdup(name);
        file->data = reserve();
        file->base = reserve();
        file->is_dirty = g_malloc0(MEMORY_MOST / MEMORY_PAGE + 1);
        file->dirty = g_array_new(FALSE, FALSE, sizeof(guint32));
        g_hash_table_insert(memory->files, file->name, file);
    }
    mem_base_resize(file, 0);
    for (uint64_t at = 0; at < bytes; at += MEMORY_PAGE) {
        uint64_t n = MIN(MEMORY_PAGE, bytes - at);

        if (!is_zero(data + at, n))
            mem_base_write(file, at, data + at, n);
    }
    mem_base_resize(file, bytes);
    mem_restore(file);
    return file;
}

guint mem_import(struct memory *memory, const char *directory)
{
    g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
    const char *name;
    guint n = 0;

    assert_non_null(dir);
    while ((name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(directory, name, NULL);
        g_autofree char *data = NULL;
        gsize bytes;

        if (!g_file_test(path, G_FILE_TEST_IS_REGULAR))
            continue;
        assert_true(g_file_get_contents(path, &data, &bytes, NULL));
        mem_put(memory, path, (uint8_t *)data, bytes);
        n++;
    }
    return n;
}

static void export_file(const struct memory_file *file)
{
    int fd = g_open(file->name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)file->length), 0);
    for (uint64_t at = 0; at < MIN(file->high, file->length);
         at += MEMORY_PAGE) {
        gsize n = MIN(MEMORY_PAGE, MIN(file->high, file->length) - at);

        if (!is_zero(file->data + at, n))
            assert_int_equal(pwrite(fd, file->data + at, n, (off_t)at), n);
    }
    close(fd);
}

void mem_export(struct memory *memory, const char *directory)
{
    g_autofree char *prefix = g_strconcat(directory, "/", NULL);
    GHashTableIter iter;
    gpointer file;

    g_hash_table_iter_init(&iter, memory->files);
    while (g_hash_table_iter_next(&iter, NULL, &file))
        if (g_str_has_prefix(((struct memory_file *)file)->name, prefix))
            export_file(file);
}

/* ---- the protocol ---- */

struct instance {
    struct memory_file *file;
};

static int32_t instance_new(struct tn_host *host, void **self)
{
    (void)host;
    *self = g_new0(struct instance, 1);
    return 0;
}

static int32_t open_file(void *self, const char *name, uint32_t flags,
                         struct tn_error *error)
{
    struct instance *in = self;

    (void)flags;
    in->file = mem_find(current, name);
    if (!in->file)
        return tn_error_set(error, -ENOENT, "%s: not in memory", name);
    in->file->opens++;
    return 0;
}

static void close_file(void *self)
{
    struct instance *in = self;

    in->file->opens--;
    in->file = NULL;
}

static void file_info(void *self, struct tn_protocol_info *info)
{
    const struct instance *in = self;

    info->flags = TN_PROTOCOL_CAN_DISCARD | TN_PROTOCOL_CAN_ZERO |
                  TN_PROTOCOL_CAN_RESIZE | TN_PROTOCOL_GROWS |
                  TN_PROTOCOL_ZERO_INIT;
    info->fd = -1;
    info->block_bytes = 1;
    info->memory_alignment = 1;
    info->physical_bytes = 512;
    info->discard_bytes = MEMORY_PAGE;
    info->bytes = in->file->length;
}

static int32_t make_file(void *self, const char *name, uint64_t bytes,
                         struct tn_error *error)
{
    struct memory_file *file = mem_find(current, name);

    (void)self;
    if (file && file->opens)
        return tn_error_set(error, -EBUSY, "%s is open", name);
    file = mem_put(current, name, NULL, 0);
    mem_resize(file, bytes);
    return 0;
}

static void tell(struct memory_file *file, enum memory_change change,
                 uint64_t offset, uint64_t bytes, const uint8_t *data)
{
    struct memory *m = file->memory;

    if (m->changed)
        m->changed(m->opaque, file, change, offset, bytes, data);
}

static int32_t resize_file(void *self, uint64_t bytes, struct tn_error *error)
{
    struct instance *in = self;

    (void)error;
    mem_resize(in->file, bytes);
    tell(in->file, MEMORY_RESIZE, 0, bytes, NULL);
    return 0;
}

static int32_t file_status(void *self, uint64_t offset, uint64_t *bytes)
{
    const struct memory_file *f = ((struct instance *)self)->file;
    uint64_t page = offset / MEMORY_PAGE, end = page;
    uint64_t pages = (f->high + MEMORY_PAGE - 1) / MEMORY_PAGE;
    gboolean hole;

    if (page >= pages) {
        *bytes = UINT64_MAX - offset;
        return TN_STATUS_HOLE;
    }
    hole = is_zero(f->data + page * MEMORY_PAGE, MEMORY_PAGE);
    while (++end < pages && end < page + 64)
        if (is_zero(f->data + end * MEMORY_PAGE, MEMORY_PAGE) != hole)
            break;
    *bytes = end * MEMORY_PAGE - offset;
    return hole ? TN_STATUS_HOLE : TN_STATUS_DATA;
}

static int32_t read_or_write(struct memory_file *file,
                             const struct tn_protocol_request *q)
{
    uint64_t at = q->offset;

    for (uint32_t i = 0; i < q->n_iov; i++) {
        uint8_t *base = q->iov[i].base;
        uint64_t n = q->iov[i].bytes, there = 0;

        if (q->op == TN_DISK_READ) {
            if (at < file->high)
                there = MIN(n, file->high - at);
            memcpy(base, file->data + (there ? at : 0), there);
            memset(base + there, 0, n - there);
        } else if (!mem_write(file, at, base, n)) {
            return -ENOSPC;
        } else {
            tell(file, MEMORY_WRITE, at, n, base);
        }
        at += n;
    }
    return 0;
}

/* Holes are zeroes; only a ZERO that allocates makes the file longer. */
static int32_t zero(struct memory_file *file,
                    const struct tn_protocol_request *q)
{
    uint64_t bytes = q->bytes;

    if (q->op == TN_DISK_DISCARD || q->flags & TN_DISK_UNMAP)
        bytes = q->offset < file->length
                    ? MIN(bytes, file->length - q->offset)
                    : 0;
    if (!bytes)
        return 0;
    if (!mem_write(file, q->offset, NULL, bytes))
        return -ENOSPC;
    tell(file, MEMORY_ZERO, q->offset, bytes, NULL);
    return 0;
}

static void perform(struct tn_protocol_request *q)
{
    struct memory_file *file = q->plugin[0];
    int32_t rc = 0;

    switch (q->op) {
    case TN_DISK_READ:
    case TN_DISK_WRITE:
        rc = read_or_write(file, q);
        break;
    case TN_DISK_ZERO:
    case TN_DISK_DISCARD:
        rc = zero(file, q);
        break;
    default:
        tell(file, MEMORY_FLUSH, 0, 0, NULL);
    }
    q->done(q, rc);
}

static void perform_any(struct block_work *work)
{
    struct memory *m = current;
    guint i = (guint)g_rand_int(m->shuffle) % m->pending->len;

    g_free(work);
    perform(g_ptr_array_remove_index_fast(m->pending, i));
}

static void submit(void *self, struct tn_protocol_request *q)
{
    const struct instance *in = self;
    struct memory *m = in->file->memory;
    struct block_work *work;

    q->plugin[0] = in->file;
    if (!m->shuffle) {
        perform(q); /* what the engine does at done() is posted */
        return;
    }
    work = g_new0(struct block_work, 1);
    work->run = perform_any;
    g_ptr_array_add(m->pending, q);
    block_context_post(m->context, work);
}

static const struct tn_protocol protocol = {
    .size = sizeof protocol,
    .schemes = "file",
    .open = open_file,
    .close = close_file,
    .info = file_info,
    .create = make_file,
    .submit = submit,
    .resize = resize_file,
    .status = file_status,
};

static const void *interface(void *self, const char *id)
{
    (void)self;
    return strcmp(id, TN_PROTOCOL) ? NULL : &protocol;
}

/* ---- */

struct memory *mem_enter(struct image_test *t)
{
    struct memory *m = g_new0(struct memory, 1);

    assert_null(current);
    assert_non_null(t->context->owner);
    m->files = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_file);
    m->pending = g_ptr_array_new();
    m->context = t->context;
    m->entry = tn_registry_find(t->registry, TN_KIND_PROTOCOL, "file");
    assert_non_null(m->entry);
    assert_int_equal(tn_component_load(m->entry, NULL), 0);
    m->real = m->entry->ops;
    m->entry->ops.create = instance_new;
    m->entry->ops.destroy = g_free;
    m->entry->ops.configure = NULL;
    m->entry->ops.get_interface = interface;
    current = m;
    return m;
}

void mem_leave(struct memory *m)
{
    if (!m)
        return;
    m->entry->ops = m->real;
    current = NULL;
    g_ptr_array_unref(m->pending);
    g_hash_table_unref(m->files);
    g_free(m);
}
