/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power failure. The transfers to an image's files are recorded; at random
 * points the files are made again of what was flushed and of a random part,
 * sector by sector and in any order, of what was not. The image must open,
 * have no damage but leaks, and hold in each sector what was there at the
 * guest's last flush or was written later, and nothing else.
 *
 * Each sector that the guest writes says which deed wrote it and where.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#include "core/util/log.h"
#include "tests/image/kind.h"

#define SECTOR 512u
#define BYTES (3u << 20)
#define DEEDS 260u
#define AT_ONCE 5u
#define MOST_FILES 16u
#define REFERENCE_EVERY 10u /* crashes */

/* What reached a file. */
enum { R_WRITE, R_ZERO, R_RESIZE, R_FLUSH };

struct record {
    uint32_t kind;
    uint32_t file;
    uint64_t offset, bytes;
    uint8_t *data;
};

/* What the guest did, between records START and END. */
struct deed {
    struct block_op op;
    struct iovec iov;
    uint32_t kind; /* TN_DISK_* */
    uint32_t number;
    uint64_t offset, bytes;
    guint start, end;
    uint8_t *data;
    gboolean finished;
};

struct file {
    void *self;
    int fd;
    char *name; /* without directory */
    int32_t (*resize)(void *self, uint64_t bytes, struct tn_error *error);
    char *before; /* its content at the start */
    gsize before_bytes;
};

struct power {
    struct image_test t;
    const struct image_kind *kind;
    struct file files[MOST_FILES];
    guint n_files;
    GArray *records;
    GPtrArray *deeds;
    uint32_t *base; /* content at the start: 0, or BASE */
    guint64 crashes;
};

#define BASE 0xffffffffu    /* written before the first deed */
#define FOREIGN 0xfffffffeu /* written by nobody */
#define BASE_OR_ZERO 0xfffffffdu
#define OR_ZERO 0x80000000u /* the deed's content, or none: discarded */

static struct power *current; /* submit() has no place for it */

static uint32_t file_of(const void *self)
{
    uint32_t i = 0;

    while (current->files[i].self != self)
        assert_true(++i < current->n_files);
    return i;
}

/* ---- recording ---- */

static void record(uint32_t kind, uint32_t file, uint64_t offset,
                   uint64_t bytes, uint8_t *data)
{
    struct record r = {kind, file, offset, bytes, data};

    g_array_append_val(current->records, r);
}

static void transfer(struct tn_protocol_request *q, uint32_t file)
{
    uint8_t *data = q->op == TN_DISK_WRITE ? g_malloc(q->bytes + 1) : NULL;
    uint64_t at = 0;

    for (uint32_t i = 0; i < q->n_iov; i++) {
        void *base = q->iov[i].base;
        size_t n = q->iov[i].bytes;
        off_t place = (off_t)(q->offset + at);

        if (q->op == TN_DISK_READ) {
            memset(base, 0, n);
            assert_true(pread(current->files[file].fd, base, n, place) >= 0);
        } else {
            assert_int_equal(pwrite(current->files[file].fd, base, n, place),
                             n);
            memcpy(data + at, base, n);
        }
        at += n;
    }
    if (data)
        record(R_WRITE, file, q->offset, q->bytes, data);
}

/* Holes are zeroes; only a ZERO makes the file longer. */
static void zero(struct tn_protocol_request *q, uint32_t file)
{
    int fd = current->files[file].fd;
    uint64_t length = (uint64_t)lseek(fd, 0, SEEK_END);
    uint64_t end = q->offset + q->bytes, bytes = q->bytes;
    g_autofree uint8_t *zeroes = NULL;

    if (q->op == TN_DISK_DISCARD)
        bytes = q->offset < length ? MIN(end, length) - q->offset : 0;
    zeroes = g_malloc0(bytes + 1);
    assert_int_equal(pwrite(fd, zeroes, bytes, (off_t)q->offset), bytes);
    record(R_ZERO, file, q->offset, bytes, NULL);
}

static void submit(void *self, struct tn_protocol_request *q)
{
    uint32_t file = file_of(self);

    if (q->op == TN_DISK_FLUSH)
        record(R_FLUSH, file, 0, 0, NULL);
    else if (q->op == TN_DISK_DISCARD || q->op == TN_DISK_ZERO)
        zero(q, file);
    else
        transfer(q, file);
    q->done(q, 0);
}

static int32_t resize(void *self, uint64_t bytes, struct tn_error *error)
{
    uint32_t file = file_of(self);

    (void)error;
    record(R_RESIZE, file, 0, bytes, NULL);
    return ftruncate(current->files[file].fd, (off_t)bytes) ? -errno : 0;
}

static void start_recording(struct power *p)
{
    struct block_node *node = p->t.node;

    current = p;
    p->n_files = node->files->len;
    assert_true(p->n_files <= MOST_FILES);
    for (guint i = 0; i < p->n_files; i++) {
        struct block_file *file = node_file(node, i);
        struct file *f = &p->files[i];

        f->self = file->host.self;
        f->fd = file->info.fd;
        f->name = g_path_get_basename(file->name);
        assert_true(g_file_get_contents(file->name, &f->before,
                                        &f->before_bytes, NULL));
        file->info.fd = -1;
        file->ops.submit = submit;
        file->ops.resize = resize;
    }
}

/* ---- the guest ---- */

static void stamp(uint8_t *sector, uint32_t number, uint64_t offset)
{
    uint32_t words[2] = {number, (uint32_t)(offset / SECTOR)};

    for (guint i = 0; i < SECTOR; i += sizeof words)
        memcpy(sector + i, words, sizeof words);
}

static void deed_done(struct block_op *op, int result)
{
    struct deed *d = (struct deed *)op;

    if (result)
        fail_msg("operation %u: %s", d->kind, g_strerror(-result));
    d->end = current->records->len;
    d->finished = TRUE;
}

static void start(struct power *p, struct deed *d)
{
    d->start = p->records->len;
    d->end = G_MAXUINT;
    g_ptr_array_add(p->deeds, d);
    d->number = p->deeds->len;
    if (d->kind == TN_DISK_WRITE) {
        d->data = g_malloc(d->bytes);
        for (uint64_t i = 0; i < d->bytes; i += SECTOR)
            stamp(d->data + i, d->number, d->offset + i);
    }
    d->iov = (struct iovec){d->data, d->bytes};
    d->op = (struct block_op){
        .node = p->t.node,
        .op = d->kind,
        .flags = d->kind == TN_DISK_ZERO &&
                         g_rand_int_range(p->t.random, 0, 2)
                     ? TN_DISK_UNMAP
                     : 0,
        .offset = d->offset,
        .bytes = d->bytes,
        .iov = &d->iov,
        .n_iov = d->data ? 1 : 0,
        .done = deed_done,
    };
    block_op_start(&d->op);
}

static struct deed *random_deed(struct power *p)
{
    static const uint32_t scales[] = {1, 8, 40, 300};
    struct deed *d = g_new0(struct deed, 1);
    GRand *r = p->t.random;
    guint n = (guint)g_rand_int_range(r, 0, 20);
    gint32 most = (gint32)scales[g_rand_int_range(r, 0, 4)];

    d->kind = n < 13   ? TN_DISK_WRITE
              : n < 17 ? TN_DISK_ZERO
                       : TN_DISK_DISCARD;
    d->bytes = SECTOR * (uint64_t)g_rand_int_range(r, 1, most + 1);
    d->offset = SECTOR * (uint64_t)g_rand_int_range(
                             r, 0, (gint32)((BYTES - d->bytes) / SECTOR));
    return d;
}

static gboolean overlaps(struct power *p, guint first, const struct deed *d)
{
    for (guint i = first; i < p->deeds->len; i++) {
        const struct deed *e = g_ptr_array_index(p->deeds, i);

        if (e->offset < d->offset + d->bytes &&
            d->offset < e->offset + e->bytes)
            return TRUE;
    }
    return FALSE;
}

static void wait_for(struct power *p, guint first)
{
    for (guint i = first; i < p->deeds->len; i++) {
        struct deed *d = g_ptr_array_index(p->deeds, i);

        while (!d->finished)
            block_context_wait(p->t.context);
    }
}

static void do_some(struct power *p)
{
    guint n = (guint)g_rand_int_range(p->t.random, 1, AT_ONCE + 1);
    guint first = p->deeds->len;

    if (g_rand_int_range(p->t.random, 0, 4) == 0) {
        struct deed *d = g_new0(struct deed, 1);

        d->kind = TN_DISK_FLUSH;
        start(p, d);
        n = 0;
    }
    while (n--) {
        struct deed *d = random_deed(p);

        if (overlaps(p, first, d))
            g_free(d);
        else
            start(p, d);
    }
    wait_for(p, first);
}

/* ---- the files after a crash ---- */

static void put(uint8_t **data, gsize *length, gsize *room, uint64_t offset,
                const uint8_t *from, uint64_t bytes)
{
    if (offset + bytes > *room) {
        gsize more = (offset + bytes) * 2;

        *data = g_realloc(*data, more);
        *room = more;
    }
    if (offset + bytes > *length) {
        memset(*data + *length, 0, offset + bytes - *length);
        *length = offset + bytes;
    }
    if (from)
        memcpy(*data + offset, from, bytes);
    else
        memset(*data + offset, 0, bytes);
}

/* Records from before the last flush of the file are there. Of the others
 * each sector is or is not. */
static void apply(struct power *p, const struct record *r, gboolean flushed,
                  guint keep, uint8_t **data, gsize *length, gsize *room)
{
    if (r->kind == R_RESIZE &&
        (flushed || g_rand_int_range(p->t.random, 0, 100) < (gint32)keep)) {
        if (r->bytes > *length)
            put(data, length, room, r->bytes, NULL, 0);
        *length = r->bytes;
    }
    if (r->kind != R_WRITE && r->kind != R_ZERO)
        return;
    for (uint64_t at = 0; at < r->bytes;) {
        uint64_t n =
            MIN(r->bytes - at, SECTOR - (r->offset + at) % SECTOR);

        if (flushed || g_rand_int_range(p->t.random, 0, 100) < (gint32)keep)
            put(data, length, room, r->offset + at,
                r->data ? r->data + at : NULL, n);
        at += n;
    }
}

static void write_file(struct power *p, guint file, guint point, guint keep,
                       const char *path)
{
    const struct file *f = &p->files[file];
    gsize room = f->before_bytes + 1, length = f->before_bytes;
    uint8_t *data = g_memdup2(f->before, room);
    guint flushed = 0;

    for (guint i = 0; i < point; i++) {
        const struct record *r = &g_array_index(p->records, struct record, i);

        if (r->kind == R_FLUSH && r->file == file)
            flushed = i;
    }
    for (guint i = 0; i < point; i++) {
        const struct record *r = &g_array_index(p->records, struct record, i);

        if (r->file == file)
            apply(p, r, i < flushed, keep, &data, &length, &room);
    }
    assert_true(g_file_set_contents(path, (char *)data, (gssize)length, NULL));
    g_free(data);
}

/* ---- what must be in it ---- */

/* Sector by sector the number of the last deed before the last flush. */
static guint flushed_content(struct power *p, guint point, uint32_t *content)
{
    guint last = 0;

    memcpy(content, p->base, BYTES / SECTOR * sizeof *content);
    for (guint i = 0; i < p->deeds->len; i++) {
        const struct deed *d = g_ptr_array_index(p->deeds, i);

        if (d->kind == TN_DISK_FLUSH && d->end <= point)
            last = i;
    }
    for (guint i = 0; i < last; i++) {
        const struct deed *d = g_ptr_array_index(p->deeds, i);

        /* What is discarded may be as before, or zero, in any part. */
        for (uint64_t at = d->offset; at < d->offset + d->bytes; at += SECTOR)
            if (d->kind == TN_DISK_WRITE)
                content[at / SECTOR] = d->number;
            else if (d->kind == TN_DISK_ZERO)
                content[at / SECTOR] = 0;
            else if (d->kind == TN_DISK_DISCARD && content[at / SECTOR])
                content[at / SECTOR] = content[at / SECTOR] >= BASE_OR_ZERO
                                           ? BASE_OR_ZERO
                                           : content[at / SECTOR] | OR_ZERO;
    }
    return last;
}

static gboolean is_allowed(struct power *p, guint last, guint point,
                           uint32_t before, uint64_t offset, uint32_t is)
{
    if (is == before)
        return TRUE;
    if (before == BASE_OR_ZERO && (is == 0 || is == BASE))
        return TRUE;
    if (before < BASE_OR_ZERO && before & OR_ZERO &&
        (is == 0 || is == (before & ~OR_ZERO)))
        return TRUE;
    for (guint i = last; i < p->deeds->len; i++) {
        const struct deed *d = g_ptr_array_index(p->deeds, i);

        if (d->start > point)
            break;
        if (offset < d->offset || offset >= d->offset + d->bytes)
            continue;
        if (d->kind == TN_DISK_WRITE ? is == d->number : is == 0)
            return TRUE;
    }
    return FALSE;
}

/* Which deed wrote the sector; complains about what no deed wrote. */
static uint32_t read_stamp(const uint8_t *sector, uint64_t offset,
                           uint32_t before)
{
    uint32_t words[2];

    memcpy(words, sector, sizeof words);
    for (guint i = sizeof words; i < SECTOR; i += sizeof words)
        if (memcmp(sector + i, words, sizeof words) != 0)
            return before >= BASE_OR_ZERO ? BASE : FOREIGN;
    if (!words[0] && !words[1])
        return 0;
    if (words[1] != offset / SECTOR)
        return before >= BASE_OR_ZERO ? BASE : FOREIGN;
    return words[0];
}

static void failed(struct power *p, guint point, const char *what,
                   uint64_t offset, uint32_t is, uint32_t was)
{
    print_message("crash at %u of %u: %s", point, p->records->len, what);
    print_message(" (sector at %" G_GUINT64_FORMAT ": deed %u, was %u)\n",
                  offset, is, was);
    for (guint i = 0; i < p->deeds->len; i++) {
        const struct deed *d = g_ptr_array_index(p->deeds, i);

        if (d->kind == TN_DISK_FLUSH ||
            (d->offset <= offset && offset < d->offset + d->bytes))
            print_message("  deed %u op %u %" G_GUINT64_FORMAT
                          "+%" G_GUINT64_FORMAT " records %u..%u\n",
                          d->number, d->kind, d->offset, d->bytes, d->start,
                          d->end);
        if (d->start > point)
            break;
    }
    fail();
}

static void compare(struct power *p, guint point)
{
    g_autofree uint8_t *data = g_malloc(BYTES);
    g_autofree uint32_t *content = g_new(uint32_t, BYTES / SECTOR);
    guint last = flushed_content(p, point, content);

    assert_int_equal(image_do(&p->t, TN_DISK_READ, 0, 0, BYTES, data), 0);
    for (uint64_t at = 0; at < BYTES; at += SECTOR) {
        uint32_t was = content[at / SECTOR];
        uint32_t is = read_stamp(data + at, at, was);

        if (!is_allowed(p, last, point, was, at, is))
            failed(p, point, "wrong content", at, is, was);
    }
}

/* Go on where the crash was. */
static void write_again(struct power *p)
{
    uint8_t data[8192];

    memset(data, 0xa5, sizeof data);
    for (guint i = 0; i < 8; i++)
        assert_int_equal(
            image_do(&p->t, TN_DISK_WRITE, 0,
                     SECTOR * (uint64_t)g_rand_int_range(
                                  p->t.random, 0, (BYTES - 8192) / SECTOR),
                     sizeof data, data),
            0);
}

static void crash(struct power *p, guint point)
{
    static const guint parts[] = {0, 20, 50, 80, 100};
    guint keep = parts[g_rand_int_range(p->t.random, 0, 5)];
    g_autofree char *directory =
        g_build_filename(p->t.directory, "crash", NULL);
    struct block_node *node = p->t.node;
    char *path = p->t.path;
    gboolean late = (p->kind->abilities & IMAGE_REPLAYS) != 0;
    gboolean reference = p->crashes++ % REFERENCE_EVERY == 0;

    g_mkdir(directory, 0700);
    p->t.path = g_build_filename(directory, p->files[0].name, NULL);
    for (guint i = 0; i < p->n_files; i++) {
        g_autofree char *name =
            g_build_filename(directory, p->files[i].name, NULL);

        write_file(p, i, point, keep, name);
    }
    image_kind_open(&p->t, p->kind, 0);
    compare(p, point);
    if (!late)
        image_check_clean(&p->t, TRUE);
    image_test_close(&p->t);
    if (!late && reference)
        image_reference_check(&p->t, p->kind, TRUE);
    image_kind_open(&p->t, p->kind, TN_IMAGE_WRITABLE);
    compare(p, point);
    write_again(p);
    image_check_clean(&p->t, TRUE);
    image_test_close(&p->t);
    if (late && reference)
        image_reference_check(&p->t, p->kind, TRUE);
    g_free(p->t.path);
    p->t.path = path;
    p->t.node = node;
}

/* ---- */

static void note_base(struct power *p)
{
    p->base = g_new0(uint32_t, BYTES / SECTOR);
    for (uint64_t i = 0; i < BYTES; i++)
        if (p->t.model[i])
            p->base[i / SECTOR] = BASE;
}

static void clear(struct power *p)
{
    image_test_close(&p->t);
    for (guint i = 0; i < p->records->len; i++)
        g_free(g_array_index(p->records, struct record, i).data);
    for (guint i = 0; i < p->deeds->len; i++) {
        struct deed *d = g_ptr_array_index(p->deeds, i);

        g_free(d->data);
        g_free(d);
    }
    for (guint i = 0; i < p->n_files; i++) {
        g_free(p->files[i].name);
        g_free(p->files[i].before);
    }
    g_array_unref(p->records);
    g_ptr_array_unref(p->deeds);
    g_free(p->base);
    image_test_clear(&p->t);
}

static void run(const struct image_kind *kind, const struct image_options *o,
                guint32 seed, guint64 crashes)
{
    struct image_kind able = *kind;
    struct power p = {
        .kind = &able,
        .records = g_array_new(FALSE, FALSE, sizeof(struct record)),
        .deeds = g_ptr_array_new(),
    };

    able.abilities = image_able(kind, o);
    image_kind_init(&p.t, kind, seed);
    if (!image_kind_make(&p.t, kind, o, MADE_HERE, BYTES) &&
        !image_kind_make(&p.t, kind, o, MADE_BY_REFERENCE, BYTES)) {
        image_test_clear(&p.t);
        return;
    }
    print_message("%s: %s: %" G_GUINT64_FORMAT " crashes\n", kind->name,
                  o->ours ? o->ours : o->reference, crashes);
    tn_log_set_fd(g_open("/dev/null", O_WRONLY | O_CLOEXEC, 0));
    note_base(&p);
    image_kind_open(&p.t, kind, TN_IMAGE_WRITABLE);
    start_recording(&p);
    while (p.deeds->len < DEEDS)
        do_some(&p);
    while (crashes--)
        crash(&p, (guint)g_rand_int_range(p.t.random, 0,
                                          (gint32)p.records->len + 1));
    clear(&p);
    tn_log_set_fd(-1);
}

void image_power_test(const struct image_kind *kind)
{
    guint64 crashes = image_environment("TENON_TEST_CRASHES", 120);
    guint32 seed = (guint32)image_environment("TENON_TEST_SEED", 1);
    guint n = 0;

    for (guint i = 0; i < kind->n_options; i++)
        n += image_wanted(&kind->options[i]) ? 1 : 0;
    /* A history of its own for every hundred. */
    for (guint i = 0; i < kind->n_options; i++)
        for (guint64 left = (crashes + n - 1) / MAX(n, 1u), round = 0;
             left && image_wanted(&kind->options[i]); round++) {
            guint64 some = MIN(left, 100);

            run(kind, &kind->options[i], seed + i + 100 * (guint32)round,
                some);
            left -= some;
        }
}
