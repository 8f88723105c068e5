/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power lost during a commit into the image below: as power.c, but the files
 * are the image's and those of the one below, and whoever looks at the image
 * sees at any point what it had before.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <glib/gstdio.h>

#include "core/block/copy.h"
#include "tests/image/power.h"

#define OPERATIONS 80u
#define DEPTH 4u

/* The content afterwards is the model's. */
static void write_some(struct power *p)
{
    struct image_test *t = &p->t;

    image_kind_open(t, p->kind, TN_IMAGE_WRITABLE);
    image_test_history(t, OPERATIONS, DEPTH);
    assert_int_equal(image_do(t, TN_DISK_READ, 0, 0, t->bytes, t->model), 0);
    image_test_close(t);
}

/* Formats that are based on their own. */
static void make_pair(struct power *p, const struct image_options *options,
                      char *below)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct image_test *t = &p->t;
    struct tn_create create = {.size = sizeof create, .bytes = BYTES};
    char *path = t->path, id[sizeof t->node->info.content_id];

    t->bytes = BYTES;
    t->model = g_malloc0(BYTES);
    t->path = below;
    if (image_create_with(t, p->kind->base, "", &create, &error))
        fail_msg("create: %s", tn_error_text(&error, 0));
    write_some(p);
    image_kind_open(t, p->kind, 0);
    g_strlcpy(id, t->node->info.content_id, sizeof id);
    image_test_close(t);
    t->path = path;
    create.backing = below;
    create.backing_format = p->kind->base;
    create.backing_bytes = BYTES;
    create.backing_id = id;
    if (image_create_with(t, p->kind->name, options->ours, &create, &error))
        fail_msg("create: %s", tn_error_text(&error, 0));
}

static void make(struct power *p, const struct image_options *options,
                 char *below)
{
    if (p->kind->base)
        make_pair(p, options, below);
    else
        assert_true(image_kind_make(
            &p->t, p->kind, options,
            options->ours ? MADE_HERE : MADE_BY_REFERENCE, BYTES));
}

/* The image over one that can be written too. */
static struct block_node *open_both(struct power *p, const char *below)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct node_options options = {
        .registry = p->t.registry,
        .context = p->t.context,
        .image = below,
        .flags = TN_IMAGE_WRITABLE | TN_IMAGE_KEEP_ID,
        .format = tn_registry_find(p->t.registry, TN_KIND_FORMAT,
                                   p->kind->base ? p->kind->base : "raw"),
    };
    struct block_node *base = NULL;

    assert_int_equal(image_open_alone(&p->t, p->kind->name, TN_IMAGE_WRITABLE,
                                      &error),
                     0);
    assert_int_equal(node_open(&options, &base, &error), 0);
    p->t.node->backing = base;
    return base;
}

/* FALSE: the image's format forgets nothing. */
static gboolean record_commit(struct power *p, const char *below,
                              guint *first_below)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct block_node *base = open_both(p, below);
    struct image_copy copy = {.source = p->t.node, .target = base};
    gboolean kept;
    int32_t rc;

    for (guint i = 0; i < p->t.node->files->len; i++) {
        struct memory_file *file =
            mem_find(p->memory, node_file(p->t.node, i)->name);

        power_watch(p, file, power_copy(p, file));
    }
    /* The image names them, wherever that is. */
    *first_below = p->n_files;
    for (guint i = 0; i < base->files->len; i++) {
        struct memory_file *file =
            mem_find(p->memory, node_file(base, i)->name);

        power_watch(p, file, file);
    }
    p->recording = TRUE;
    rc = image_commit(&copy, TRUE, &kept, &error);
    if (rc)
        fail_msg("commit: %s", tn_error_text(&error, rc));
    image_test_close(&p->t);
    return !kept;
}

static void look(struct power *p, guint point)
{
    struct image_test *t = &p->t;
    g_autofree uint8_t *data = g_malloc(t->bytes);

    assert_int_equal(t->node->info.bytes, t->bytes);
    assert_int_equal(image_do(t, TN_DISK_READ, 0, 0, t->bytes, data), 0);
    for (uint64_t at = 0; at < t->bytes; at++)
        if (data[at] != t->model[at])
            fail_msg("crash at %u of %u: wrong content at %" G_GUINT64_FORMAT,
                     point, p->records->len, at);
}

static void crash(struct power *p, guint point)
{
    static const guint parts[] = {0, 20, 50, 80, 100};
    guint keep = parts[g_rand_int_range(p->t.random, 0, 5)];
    gboolean late = (p->kind->abilities & IMAGE_REPLAYS) != 0;

    for (guint i = 0; i < p->n_files; i++)
        power_make_file(p, i, point, keep);
    image_kind_open(&p->t, p->kind, 0);
    look(p, point);
    if (!late)
        image_check_clean(&p->t, TRUE);
    image_test_close(&p->t);
    image_kind_open(&p->t, p->kind, TN_IMAGE_WRITABLE);
    look(p, point);
    image_check_clean(&p->t, TRUE);
    image_test_close(&p->t);
}

/* Something of the base was changed, and something of the image forgotten. */
static void commit_some(struct power *p, const char *below_name)
{
    guint below, changes[2] = {0};
    gboolean forgot = record_commit(p, below_name, &below);

    for (guint i = 0; i < p->records->len; i++) {
        const struct record *r = &g_array_index(p->records, struct record, i);

        if (r->kind != MEMORY_FLUSH)
            changes[r->file >= below]++;
    }
    assert_true(changes[1] > 0 && (changes[0] > 0 || !forgot));
}

void power_commit_test(const struct image_kind *kind,
                       const struct image_options *options, guint32 seed,
                       guint64 crashes)
{
    struct image_kind able = *kind;
    g_autofree char *directory = NULL, *below = NULL, *path = NULL;
    g_autofree guint *points = NULL;
    struct power p = {
        .kind = &able,
        .records = g_array_new(FALSE, FALSE, sizeof(struct record)),
    };

    able.abilities = image_able(kind, options);
    image_kind_init_io(&p.t, kind, seed, BLOCK_IO_INLINE);
    directory = g_build_filename(p.t.directory, "crash", NULL);
    g_mkdir(directory, 0700);
    below = g_build_filename(p.t.directory, "base.raw", NULL);
    make(&p, options, below);
    print_message("%s: %s: %" G_GUINT64_FORMAT
                  " crashes during a commit (seed %u)\n",
                  kind->name, options->ours ? options->ours : "", crashes,
                  seed);
    p.memory = mem_enter(&p.t);
    mem_import(p.memory, p.t.directory);
    p.memory->changed = power_record;
    p.memory->opaque = &p;
    write_some(&p);
    p.memory->shuffle = p.t.random;
    commit_some(&p, below);
    points = power_points(&p, crashes);
    path = p.t.path;
    p.t.path = g_strdup(p.files[0].crash->name);
    for (guint64 i = 0; i < crashes; i++)
        crash(&p, points[i]);
    for (guint i = 0; i < p.records->len; i++)
        g_free(g_array_index(p.records, struct record, i).data);
    g_array_unref(p.records);
    mem_leave(p.memory);
    image_test_clear(&p.t);
}
