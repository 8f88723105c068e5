/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The power test (tests/image/power.c) of what only qcow2 has: persistent
 * bitmaps, snapshots with machine state, encryption.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/image/kind.h"

#define ALL                                                                    \
    (IMAGE_CHECKS | IMAGE_REPAIRS | IMAGE_GROWS | IMAGE_SHRINKS |              \
     IMAGE_SNAPSHOTS)

static const char *const plugins[] = {"proto-file", "fmt-raw", "fmt-qcow2",
                                      NULL};

static const struct image_options bitmap_options[] = {
    {.ours = "cluster-size=512"},
    {.ours = "cluster-size=4K"},
    {.ours = "extended-l2=on,cluster-size=16K"},
    {.ours = "refcount-bits=64,cluster-size=1K"},
    {.ours = "lazy-refcounts=on,cluster-size=2K", .with = IMAGE_REPLAYS},
    {.ours = "data-file=data.bin,cluster-size=4K",
     .without = IMAGE_SNAPSHOTS},
    {.ours = "cluster-size=8K", .backing = 2u << 20},
    {.ours = ""},
};

static const struct image_options state_options[] = {
    {.ours = "cluster-size=4K"},
    {.ours = "cluster-size=512"},
    {.ours = "compat=0.10,cluster-size=1K",
     .without = IMAGE_GROWS | IMAGE_SHRINKS},
    {.ours = "lazy-refcounts=on,cluster-size=4K", .with = IMAGE_REPLAYS},
    {.ours = "extended-l2=on,cluster-size=16K"},
    {.ours = ""},
};

#define LUKS "encrypt-format=luks,encrypt-key-secret=key,encrypt-iter-time=1"
#define KEY "encrypt-key-secret=key"

static const struct image_options luks_options[] = {
    {.ours = LUKS ",cluster-size=4K", .opens = KEY},
    {.ours = LUKS ",cluster-size=512", .opens = KEY},
    {.ours = LUKS ",extended-l2=on,cluster-size=16K", .opens = KEY},
    {.ours = LUKS ",cluster-size=4K", .backing = 2u << 20, .opens = KEY},
};

static const struct image_kind bitmaps = {
    .name = "qcow2",
    .plugins = plugins,
    .reference = "qcow2",
    .abilities = ALL | IMAGE_BITMAPS | IMAGE_REFERENCE_CHECKS,
    .options = bitmap_options,
    .n_options = G_N_ELEMENTS(bitmap_options),
};

static const struct image_kind states = {
    .name = "qcow2",
    .plugins = plugins,
    .reference = "qcow2",
    .abilities = ALL | IMAGE_STATE | IMAGE_REFERENCE_CHECKS,
    .options = state_options,
    .n_options = G_N_ELEMENTS(state_options),
};

/* The reference's check would want the key. */
static const struct image_kind encrypted = {
    .name = "qcow2",
    .plugins = plugins,
    .abilities = ALL | IMAGE_BITMAPS,
    .options = luks_options,
    .n_options = G_N_ELEMENTS(luks_options),
};

static void test_bitmaps(void **state)
{
    (void)state;
    image_power_test(&bitmaps);
}

static void test_machine_state(void **state)
{
    (void)state;
    image_power_test(&states);
}

static void test_encrypted(void **state)
{
    (void)state;
    image_power_test(&encrypted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bitmaps),
        cmocka_unit_test(test_machine_state),
        cmocka_unit_test(test_encrypted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
