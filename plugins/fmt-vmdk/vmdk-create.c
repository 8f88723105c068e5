/* SPDX-License-Identifier: Apache-2.0 */
/* New images: the descriptor's text, and extents of each subformat. */
#include "vmdk.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <sys/random.h>

#define DESCRIPTOR_SECTORS 20u

/* In the order of the choices. */
enum subformat { SPARSE, FLAT, SPLIT_SPARSE, SPLIT_FLAT, STREAM };
static const char *const subformats[] = {
    "monolithicSparse", "monolithicFlat", "twoGbMaxExtentSparse",
    "twoGbMaxExtentFlat", "streamOptimized"};
static const char *const adapters[] = {"ide", "buslogic", "lsilogic",
                                       "legacyESX"};

struct layout {
    uint64_t bytes, grain;
    enum subformat subformat;
    uint32_t zeroed, mode;
    uint64_t n_extents;
    const char *hwversion, *toolsversion;
    uint32_t adapter;
    /* Of one extent: */
    uint64_t n_tables, gd_sectors, table_sectors, overhead;
};

static int is_flat(const struct layout *l)
{
    return l->subformat == FLAT || l->subformat == SPLIT_FLAT;
}

static int is_split(const struct layout *l)
{
    return l->subformat == SPLIT_SPARSE || l->subformat == SPLIT_FLAT;
}

static int32_t read_options(struct vmdk *v, const struct tn_create *c,
                            struct layout *l, struct tn_error *error)
{
    const struct tn_props *props = tn_service(v->host, TN_HOST_PROPS);
    uint64_t compat6 = props->get_uint(v->host, "compat6");

    l->bytes = vmdk_round_up(c->bytes, VMDK_SECTOR);
    l->subformat = (enum subformat)props->get_uint(v->host, "subformat");
    l->grain = props->get_uint(v->host, "cluster-size");
    l->zeroed = (uint32_t)props->get_uint(v->host, "zeroed-grain");
    l->mode = (uint32_t)props->get_uint(v->host, "preallocation");
    l->mode = l->mode ? l->mode + 1 : 0;
    l->adapter = (uint32_t)props->get_uint(v->host, "adapter-type");
    l->hwversion = props->get_string(v->host, "hwversion");
    l->toolsversion = props->get_string(v->host, "toolsversion");
    if (compat6 && props->is_set(v->host, "hwversion"))
        return tn_fail(v->host, error, -EINVAL,
                       "compat6 and hwversion exclude each other");
    if (l->grain < 1024 || l->grain > 1u << 20 || l->grain & (l->grain - 1))
        return tn_fail(v->host, error, -EINVAL,
                       "cluster-size must be a power of two from 1K to 1M");
    if (compat6)
        l->hwversion = "6";
    if (l->zeroed && l->subformat != SPARSE && l->subformat != SPLIT_SPARSE)
        return tn_fail(v->host, error, -EINVAL,
                       "zeroed-grain is for sparse subformats");
    if (l->mode && !is_flat(l))
        return tn_fail(v->host, error, -EINVAL,
                       "preallocation is for flat subformats");
    if (c->backing && l->subformat != SPARSE && l->subformat != SPLIT_SPARSE)
        return tn_fail(v->host, error, -ENOTSUP,
                       "a %s image cannot be based on another one",
                       subformats[l->subformat]);
    if (c->backing && c->backing_format && strcmp(c->backing_format, "vmdk"))
        return tn_fail(v->host, error, -EINVAL,
                       "a VMDK image can only be based on a VMDK image");
    if (c->backing && strlen(c->backing) > 1000)
        return tn_fail(v->host, error, -EINVAL,
                       "the backing image's name is too long");
    return 0;
}

static void shape_extent(struct layout *l, uint64_t each)
{
    l->n_tables = (each + l->grain * VMDK_GTES - 1) /
                  (l->grain * VMDK_GTES);
    l->gd_sectors = (l->n_tables * 4 + VMDK_SECTOR - 1) / VMDK_SECTOR;
    l->table_sectors = VMDK_GTES * 4 / VMDK_SECTOR;
    l->overhead = 1 + DESCRIPTOR_SECTORS;
    if (l->subformat != STREAM)
        l->overhead += 2 * (l->gd_sectors + l->n_tables * l->table_sectors);
    l->overhead = vmdk_round_up(l->overhead, l->grain / VMDK_SECTOR);
}

static int32_t lay_out(struct vmdk *v, const struct tn_create *c,
                       struct layout *l, struct tn_error *error)
{
    uint64_t each;
    int32_t rc = read_options(v, c, l, error);

    if (rc < 0)
        return rc;
    l->n_extents = is_split(l) ? (l->bytes + VMDK_SPLIT - 1) / VMDK_SPLIT : 1;
    if (l->n_extents == 0)
        l->n_extents = 1;
    if (l->n_extents > MAX_EXTENTS || l->bytes > 1ull << 46)
        return tn_fail(v->host, error, -EFBIG, "the disk is too large for %s",
                       subformats[l->subformat]);
    each = is_split(l) && l->bytes > VMDK_SPLIT ? VMDK_SPLIT : l->bytes;
    shape_extent(l, each);
    if (!is_flat(l) && l->overhead + each / VMDK_SECTOR > UINT32_MAX)
        return tn_fail(v->host, error, -EFBIG,
                       "the disk is too large: a sparse extent's file ends "
                       "at 2 TiB");
    return 0;
}

/* ---- the descriptor ---- */

static void append(char *text, uint64_t room, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void append(char *text, uint64_t room, const char *format, ...)
{
    size_t n = strlen(text);
    va_list ap;

    va_start(ap, format);
    vsnprintf(text + n, room - n, format, ap);
    va_end(ap);
}

/* The first sector has the CIDs and the parent's name, which change together;
 * a comment keeps room in it for a longer name. */
static void append_room(char *text, uint64_t room)
{
    while (strlen(text) < VMDK_SECTOR - 1)
        append(text, room, "#");
    append(text, room, "\n");
}

/* The name without directories, up to its suffix. */
static void split_name(struct vmdk *v, char *stem, const char **suffix,
                       uint32_t room)
{
    const char *name = v->image->name(v->host);
    const char *slash = strrchr(name, '/'), *dot;

    name = slash ? slash + 1 : name;
    dot = strrchr(name, '.');
    *suffix = dot ? dot : "";
    snprintf(stem, room, "%.*s", dot ? (int)(dot - name) : (int)strlen(name),
             name);
}

static void extent_name(struct vmdk *v, const struct layout *l, uint64_t index,
                        char *name, uint32_t room)
{
    char stem[200];
    const char *suffix;

    split_name(v, stem, &suffix, sizeof stem);
    if (is_split(l))
        snprintf(name, room, "%s-%c%03llu%.40s", stem,
                 is_flat(l) ? 'f' : 's', (unsigned long long)index + 1,
                 suffix);
    else
        snprintf(name, room, "%s%s%.40s", stem, is_flat(l) ? "-flat" : "",
                 suffix);
}

static uint64_t extent_bytes(const struct layout *l, uint64_t index)
{
    uint64_t left = l->bytes - index * VMDK_SPLIT;

    if (!is_split(l))
        return l->bytes;
    return left < VMDK_SPLIT ? left : VMDK_SPLIT;
}

static void write_text(struct vmdk *v, const struct layout *l,
                       const struct tn_create *c, char *text, uint64_t room)
{
    uint32_t ide = l->adapter == 0, cid;
    uint64_t heads = ide ? 16 : 255;
    char name[256];

    if (getrandom(&cid, sizeof cid, 0) != sizeof cid || cid == NO_PARENT)
        cid = 0x7e707e70;
    append(text, room,
           "# Disk DescriptorFile\nversion=1\nCID=%08x\nparentCID=%s\n"
           "createType=\"%s\"\n",
           cid, c->backing ? c->backing_id : "ffffffff",
           subformats[l->subformat]);
    if (c->backing)
        append(text, room, "parentFileNameHint=\"%s\"\n", c->backing);
    if (is_split(l) && !is_flat(l))
        append_room(text, room);
    append(text, room, "\n# Extent description\n");
    for (uint64_t i = 0; i < l->n_extents; i++) {
        extent_name(v, l, i, name, sizeof name);
        /* The last one may grow without moving what follows: blanks. */
        append(text, room, "RW %*llu %s \"%s\"%s\n",
               is_split(l) ? 7 : 0,
               (unsigned long long)extent_bytes(l, i) / VMDK_SECTOR,
               is_flat(l) ? "FLAT" : "SPARSE", name, is_flat(l) ? " 0" : "");
    }
    append(text, room,
           "\n# The Disk Data Base\n#DDB\n\n"
           "ddb.virtualHWVersion = \"%s\"\n"
           "ddb.geometry.cylinders = \"%llu\"\n"
           "ddb.geometry.heads = \"%llu\"\n"
           "ddb.geometry.sectors = \"63\"\n"
           "ddb.adapterType = \"%s\"\n"
           "ddb.toolsVersion = \"%s\"\n",
           l->hwversion,
           (unsigned long long)(l->bytes / (63 * heads * VMDK_SECTOR)),
           (unsigned long long)heads, adapters[l->adapter], l->toolsversion);
}

/* ---- sparse extents ---- */

static void fill_header(const struct layout *l, uint64_t bytes, int has_text,
                        uint8_t *h)
{
    int stream = l->subformat == STREAM;

    put_le32(h, VMDK_MAGIC);
    put_le32(h + H_VERSION, stream ? 3 : l->zeroed ? 2 : 1);
    put_le32(h + H_FLAGS,
             FLAG_NEWLINES |
                 (stream ? FLAG_COMPRESSED | FLAG_MARKERS : FLAG_REDUNDANT) |
                 (l->zeroed ? FLAG_ZEROED : 0));
    put_le64(h + H_CAPACITY, bytes / VMDK_SECTOR);
    put_le64(h + H_GRAIN, l->grain / VMDK_SECTOR);
    if (has_text) {
        put_le64(h + H_DESCRIPTOR, 1);
        put_le64(h + H_DESCRIPTOR_SECTORS, DESCRIPTOR_SECTORS);
    }
    put_le32(h + H_GTES, VMDK_GTES);
    if (stream) {
        put_le64(h + H_GD, GD_AT_END);
    } else {
        put_le64(h + H_RGD, 1 + DESCRIPTOR_SECTORS);
        put_le64(h + H_GD, 1 + DESCRIPTOR_SECTORS + l->gd_sectors +
                               l->n_tables * l->table_sectors);
    }
    put_le64(h + H_OVERHEAD, l->overhead);
    memcpy(h + H_NEWLINES, "\n \r\n", 4);
    put_le16(h + H_COMPRESSION, stream ? COMPRESSION_DEFLATE : 0);
}

/* A directory at SECTOR whose tables, a hole, follow it. */
static int32_t write_directory(struct vmdk *v, const struct layout *l,
                               uint32_t file, uint64_t sector,
                               uint64_t n_tables)
{
    uint64_t bytes = l->gd_sectors * VMDK_SECTOR;
    uint8_t *raw = v->image->allocate(v->host, bytes);
    uint64_t table = sector + l->gd_sectors;
    int32_t rc = raw ? 0 : -ENOMEM;

    for (uint64_t i = 0; rc == 0 && i < n_tables; i++)
        put_le32(raw + i * 4, (uint32_t)(table + i * l->table_sectors));
    if (rc == 0)
        rc = v->image->pwrite(v->host, file, sector * VMDK_SECTOR, raw, bytes);
    v->image->free(v->host, raw);
    return rc;
}

static int32_t create_stream(struct vmdk *v, const struct layout *l,
                             const uint8_t *h)
{
    struct extent x = {.kind = EXTENT_SPARSE,
                       .n_tables = l->n_tables,
                       .end = l->overhead * VMDK_SECTOR};
    int32_t rc;

    x.gd = v->image->allocate(v->host, x.n_tables * 8 + 8);
    rc = x.gd ? vmdk_stream_finish(v, &x, h) : -ENOMEM;
    v->image->free(v->host, x.gd);
    return rc;
}

static int32_t create_sparse(struct vmdk *v, const struct layout *l,
                             uint32_t file, uint64_t bytes, const char *text,
                             struct tn_error *error)
{
    uint8_t h[VMDK_SECTOR] = {0};
    uint64_t n_tables = (bytes + l->grain * VMDK_GTES - 1) /
                        (l->grain * VMDK_GTES);
    int32_t rc = v->image->set_length(v->host, file,
                                      l->overhead * VMDK_SECTOR, error);

    fill_header(l, bytes, text != NULL, h);
    if (rc == 0 && text)
        rc = v->image->pwrite(v->host, file, VMDK_SECTOR, text,
                              DESCRIPTOR_SECTORS * VMDK_SECTOR);
    if (rc == 0 && l->subformat == STREAM)
        rc = create_stream(v, l, h);
    else if (rc == 0)
        rc = write_directory(v, l, file, get_le64(h + H_RGD), n_tables);
    if (rc == 0 && l->subformat != STREAM)
        rc = write_directory(v, l, file, get_le64(h + H_GD), n_tables);
    return rc < 0 ? rc : v->image->pwrite(v->host, file, 0, h, sizeof h);
}

/* ---- all ---- */

static int32_t create_extent(struct vmdk *v, const struct layout *l,
                             uint64_t index, struct tn_error *error)
{
    uint64_t bytes = extent_bytes(l, index);
    char name[256];
    int32_t file, rc;

    extent_name(v, l, index, name, sizeof name);
    file = v->image->create_file(v->host, name, 0, error);
    if (file < 0)
        return file;
    if (!is_flat(l))
        return create_sparse(v, l, (uint32_t)file, bytes, NULL, error);
    rc = 0;
    if (l->mode && bytes)
        rc = v->image->preallocate(v->host, (uint32_t)file, 0, bytes, l->mode,
                                   error);
    return rc < 0 ? rc
                  : v->image->set_length(v->host, (uint32_t)file, bytes,
                                         error);
}

int32_t vmdk_add_extent(struct vmdk *v, const struct extent *like,
                        uint32_t index, struct extent *x,
                        struct tn_error *error)
{
    struct layout l = {.bytes = x->bytes,
                       .grain = vmdk_is_sparse(like) ? like->grain : 65536,
                       .subformat = vmdk_is_sparse(like) ? SPLIT_SPARSE
                                                         : SPLIT_FLAT,
                       .zeroed = (like->flags & FLAG_ZEROED) != 0};
    int32_t file;

    shape_extent(&l, x->bytes);
    extent_name(v, &l, index, x->name, sizeof x->name);
    for (uint32_t i = 0; i < index; i++)
        if (!strcmp(v->extents[i].name, x->name))
            return tn_fail(v->host, error, -EEXIST,
                           "the image has an extent '%s' already", x->name);
    file = v->image->create_file(v->host, x->name, 0, error);
    if (file < 0)
        return file;
    x->file = (uint32_t)file;
    return vmdk_is_sparse(like)
               ? create_sparse(v, &l, x->file, x->bytes, NULL, error)
               : v->image->set_length(v->host, x->file, x->bytes, error);
}

int32_t vmdk_create(void *self, const struct tn_create *c,
                    struct tn_error *error)
{
    struct vmdk *v = self;
    struct layout l = {0};
    uint64_t room;
    char *text;
    int32_t rc;

    v->image = tn_service(v->host, TN_HOST_IMAGE);
    rc = lay_out(v, c, &l, error);
    if (rc < 0)
        return rc;
    if (c->backing && (!c->backing_id || strlen(c->backing_id) != 8))
        return tn_fail(v->host, error, -EINVAL,
                       "a VMDK image can only be based on a VMDK image with a "
                       "descriptor");
    room = l.n_extents * 320 + 4096 + DESCRIPTOR_SECTORS * VMDK_SECTOR;
    text = v->image->allocate(v->host, room);
    if (!text)
        return -ENOMEM;
    write_text(v, &l, c, text, room);
    if (l.subformat == SPARSE || l.subformat == STREAM) {
        rc = create_sparse(v, &l, 0, l.bytes, text, error);
    } else {
        for (uint64_t i = 0; rc == 0 && i < l.n_extents; i++)
            rc = create_extent(v, &l, i, error);
        if (rc == 0)
            rc = v->image->pwrite(v->host, 0, 0, text, strlen(text));
    }
    v->image->free(v->host, text);
    return rc;
}

int32_t vmdk_measure(void *self, const struct tn_create *c,
                     struct tn_measure *m, struct tn_error *error)
{
    struct layout l = {0};
    int32_t rc = lay_out(self, c, &l, error);

    if (rc < 0)
        return rc;
    m->cluster_bytes = l.grain;
    m->required = l.n_extents * l.overhead * VMDK_SECTOR + m->data_bytes;
    m->fully_allocated = l.n_extents * l.overhead * VMDK_SECTOR +
                         vmdk_round_up(l.bytes, l.grain);
    if (is_flat(&l))
        m->required = m->fully_allocated = l.bytes;
    return 0;
}
