/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the fuzz test share: fuzz.c and fuzz-damage.c.
 */
#ifndef TENON_TESTS_IMAGE_FUZZ_H
#define TENON_TESTS_IMAGE_FUZZ_H

#include "tests/image/kind.h"
#include "tests/image/memory.h"

#define IO_BYTES (64u << 10)

struct seed {
    char *path; /* other files of the image lie beside it */
    struct memory_file *file;
};

struct fuzz {
    struct image_test t;
    struct memory *memory;
    const struct image_kind *kind;
    GArray *seeds;
    GRand *random; /* of one input: the same for the same bytes */
    uint8_t io[IO_BYTES];
};

static inline guint below(struct fuzz *f, guint n)
{
    return (guint)(g_rand_int(f->random) % n);
}

/* Changes something in FILE, drawn from f->random. */
void fuzz_damage(struct fuzz *f, struct memory_file *file);

#endif
