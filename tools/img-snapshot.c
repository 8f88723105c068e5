/* SPDX-License-Identifier: Apache-2.0 */
/* tenon-img snapshot, and lists of snapshots */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tools/img-snapshots.h"
#include "tools/tenon-img.h"

static gboolean list;
static const char *create, *apply, *delete;

static const struct img_option options[] = {
    {'l', "list", NULL, IMG_FLAG, &list, "list them (the default)"},
    {'c', "create", "NAME", IMG_TEXT, &create, "make one"},
    {'a', "apply", "NAME", IMG_TEXT, &apply, "go back to it"},
    {'d', "delete", "NAME", IMG_TEXT, &delete, "delete it"},
    IMG_FORMAT,
    IMG_IMAGE_OPTS,
    IMG_SHARE,
    IMG_QUIET,
    IMG_OBJECT,
    IMG_POLICY,
    IMG_END,
};

/* ---- lists ---- */

static void print_row(const struct tn_image_snapshot *s)
{
    g_autofree char *size = img_size_text(s->state_bytes);
    g_autoptr(GDateTime) date =
        g_date_time_new_from_unix_local((gint64)s->date_seconds);
    g_autofree char *when =
        date ? g_date_time_format(date, "%Y-%m-%d %H:%M:%S") : g_strdup("");
    uint64_t ms = s->clock_nanoseconds / 1000000;
    g_autofree char *clock = g_strdup_printf(
        "%04u:%02u:%02u.%03u", (unsigned)(ms / 3600000),
        (unsigned)(ms / 60000 % 60), (unsigned)(ms / 1000 % 60),
        (unsigned)(ms % 1000));

    printf("%-7s %-16s %8s %19s %15s %10s\n", s->id, s->name, size, when,
           clock, "0");
}

void img_snapshots_print(struct block_node *node, const char *title)
{
    struct tn_image_snapshot s;

    for (uint32_t i = 0; image_snapshot_info(node, i, &s) == 0; i++) {
        if (i == 0)
            printf("%s%-7s %-16s %8s %19s %15s %10s\n", title, "ID", "TAG",
                   "VM_SIZE", "DATE", "VM_CLOCK", "ICOUNT");
        print_row(&s);
    }
}

JsonArray *img_snapshots_json(struct block_node *node)
{
    struct tn_image_snapshot s;
    JsonArray *array = NULL;

    for (uint32_t i = 0; image_snapshot_info(node, i, &s) == 0; i++) {
        JsonObject *o = json_object_new();

        json_object_set_int_member(o, "icount", 0);
        json_object_set_int_member(o, "vm-clock-nsec",
                                   (gint64)(s.clock_nanoseconds % 1000000000));
        json_object_set_string_member(o, "name", s.name);
        json_object_set_int_member(o, "date-sec", (gint64)s.date_seconds);
        json_object_set_int_member(o, "date-nsec", s.date_nanoseconds);
        json_object_set_int_member(o, "vm-clock-sec",
                                   (gint64)(s.clock_nanoseconds / 1000000000));
        json_object_set_string_member(o, "id", s.id);
        json_object_set_int_member(o, "vm-state-size", (gint64)s.state_bytes);
        if (!array)
            array = json_array_new();
        json_array_add_object_element(array, o);
    }
    return array;
}

/* ---- the command ---- */

static int change(struct block_node *node, uint32_t what, const char *name,
                  const char *verb)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct tn_image_snapshot s = {.size = sizeof s};
    gint64 now = g_get_real_time();
    int32_t rc = 0;

    if (what == TN_SNAPSHOT_CREATE) {
        if (strlen(name) >= sizeof s.name)
            return img_fail("'%s' is too long for a snapshot's name", name);
        strcpy(s.name, name);
        s.bytes = node->info.bytes;
        s.date_seconds = (uint64_t)(now / G_USEC_PER_SEC);
        s.date_nanoseconds = (uint32_t)(now % G_USEC_PER_SEC) * 1000;
    } else {
        rc = image_snapshot_find(node, name, &s);
    }
    if (rc == -ENOENT)
        return img_fail("Could not %s snapshot '%s': snapshot not found", verb,
                        name);
    if (!rc)
        rc = image_snapshot(node, what, &s, &error);
    if (rc)
        return img_fail("Could not %s snapshot '%s': %s", verb, name,
                        tn_error_text(&error, rc));
    return 0;
}

static int run(int argc, char **argv)
{
    gboolean writes = create || apply || delete;
    struct img_open open = {.format = img.format,
                            .options = img.image_opts,
                            .flags = writes ? TN_IMAGE_WRITABLE
                                            : TN_IMAGE_NO_IO,
                            .no_backing = TRUE};
    struct block_node *node;
    int status = 0;

    if (!!create + !!apply + !!delete + list > 1)
        return img_usage("Cannot mix '-l', '-a', '-c', '-d'");
    if (argc != 1)
        return img_usage("Expecting one image file name");
    if (img_begin())
        return 1;
    open.name = argv[0];
    node = img_open(&open);
    if (!node)
        return 1;
    if (create)
        status = change(node, TN_SNAPSHOT_CREATE, create, "create");
    else if (apply)
        status = change(node, TN_SNAPSHOT_APPLY, apply, "apply");
    else if (delete)
        status = change(node, TN_SNAPSHOT_DELETE, delete, "delete");
    else
        img_snapshots_print(node, "Snapshot list:\n");
    return img_close(node) || status;
}

const struct img_command img_snapshot = {
    "snapshot", "FILE", "List, make, apply or delete internal snapshots",
    options, run, FALSE};
