/* SPDX-License-Identifier: Apache-2.0 */
/* VHDX for the tests that all formats share (tests/image/kind.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/image/kind.h"

#define KIB 1024u
#define PAGE 4096u
#define LOG (1024u * KIB) /* where our images have it */

static const char *const plugins[] = {"proto-file", "fmt-raw", "fmt-vhdx",
                                      NULL};

static const struct image_options options[] = {
    {.ours = "block-size=1M", .reference = "block_size=1M"},
    {.ours = "", .reference = ""},
    {.ours = "subformat=fixed,block-size=1M",
     .reference = "subformat=fixed,block_size=1M",
     .without = IMAGE_BACKING},
    {.ours = "block-state-zero=no,block-size=2M,log-size=3M",
     .reference = "block_state_zero=off,block_size=2M,log_size=3M"},
};

/* ---- damage behind checksums ---- */

static uint32_t crc_table[256];

static void make_table(void)
{
    for (guint i = 0; i < 256; i++) {
        uint32_t crc = i;

        for (guint bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0x82f63b78u : crc >> 1;
        crc_table[i] = crc;
    }
}

/* The checksum itself, at 4, counts as zero. */
static uint32_t crc32c(const uint8_t *data, gsize bytes)
{
    uint32_t crc = 0xffffffffu;

    if (!crc_table[1])
        make_table();
    for (gsize i = 0; i < bytes; i++)
        crc = crc >> 8 ^
              crc_table[(crc ^ (i - 4 < 4 ? 0 : data[i])) & 0xff];
    return ~crc;
}

struct mending {
    const uint8_t *data;
    gsize bytes;
    void (*put)(void *opaque, gsize at, const uint8_t *data, gsize bytes);
    void *opaque;
};

static void put_checksum(const struct mending *m, gsize at, gsize n)
{
    uint32_t crc;

    if (at + n > m->bytes)
        return;
    crc = GUINT32_TO_LE(crc32c(m->data + at, n));
    if (memcmp(m->data + at + 4, &crc, 4) != 0)
        m->put(m->opaque, at + 4, (uint8_t *)&crc, 4);
}

/* Headers, what is used of the region tables, and the log's entries. */
static void mend(const uint8_t *data, gsize bytes,
                 void (*put)(void *opaque, gsize at, const uint8_t *data,
                             gsize bytes),
                 void *opaque)
{
    const struct mending m = {data, bytes, put, opaque};
    uint32_t length;

    put_checksum(&m, 64 * KIB, PAGE);
    put_checksum(&m, 128 * KIB, PAGE);
    put_checksum(&m, 192 * KIB, 64 * KIB);
    put_checksum(&m, 256 * KIB, 64 * KIB);
    for (gsize at = LOG; at + PAGE <= bytes && at < 2 * LOG; at += PAGE) {
        memcpy(&length, data + at + 8, 4);
        length = GUINT32_FROM_LE(length);
        if (!memcmp(data + at, "loge", 4) && length % PAGE == 0 &&
            length <= 64 * PAGE)
            put_checksum(&m, at, length);
    }
}

/* An image that was not closed: its log has to be replayed. */
static gboolean seed(struct image_test *t, guint index)
{
    static const struct image_options o = {.ours = "block-size=1M"};
    g_autofree char *copy = g_strconcat(t->path, ".copy", NULL);

    if (index > 0)
        return FALSE;
    t->bytes = 3u << 20;
    g_free(t->model);
    t->model = NULL;
    if (!image_kind_make(t, &(struct image_kind){.name = "vhdx"}, &o, MADE_HERE,
                         t->bytes))
        return FALSE;
    image_kind_open(t, &(struct image_kind){.name = "vhdx"}, TN_IMAGE_WRITABLE);
    for (guint i = 0; i < 4; i++) {
        image_test_history(t, 20, 1);
        assert_int_equal(image_do(t, TN_DISK_FLUSH, 0, 0, 0, NULL), 0);
    }
    assert_int_equal(image_test_run("cp %s %s", t->path, copy), 0);
    image_test_close(t);
    assert_int_equal(image_test_run("mv %s %s", copy, t->path), 0);
    return TRUE;
}

static const struct image_kind vhdx = {
    .name = "vhdx",
    .base = "vhdx",
    .plugins = plugins,
    .reference = "vhdx",
    .abilities = IMAGE_CHECKS | IMAGE_REPAIRS | IMAGE_GROWS | IMAGE_SHRINKS |
                 IMAGE_REFERENCE_CHECKS | IMAGE_REFERENCE_WRITES |
                 IMAGE_REPLAYS,
    .options = options,
    .n_options = G_N_ELEMENTS(options),
    .fuzz_options = 1,
    .seed = seed,
    .mend = mend,
};

IMAGE_KIND_TESTS(vhdx)
