/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of image formats share. A format's own test file describes
 * the format (struct image_kind) and ends with IMAGE_KIND_TESTS(kind): that is
 * a program of the tests that apply to it:
 *
 *   history.c  random operations against a plain model and the reference tool
 *   power.c    the image after a loss of power at any transfer, also during a
 *              commit into the one below
 *   fuzz.c     damaged images: never worse than an error
 *
 * The same file compiled with -DTENON_LIBFUZZER is a libFuzzer target.
 *
 * Environment: TENON_TEST_OPERATIONS (each option set and maker),
 * TENON_TEST_CRASHES and TENON_TEST_MUTATIONS (in all), TENON_TEST_SEED,
 * TENON_TEST_ONLY=history|power|fuzz, TENON_TEST_OPTIONS (a part of an option
 * set's text). For the fuzz test TENON_TEST_PROGRESS (a file that has the
 * number of the mutation under way, 64 bits) and TENON_TEST_SAVE (a file that
 * is given the image; with TENON_TEST_SEED=number TENON_TEST_MUTATIONS=1).
 */
#ifndef TENON_TESTS_IMAGE_KIND_H
#define TENON_TESTS_IMAGE_KIND_H

#include "core/block/block-test.h"

#define IMAGE_CHECKS 0x1u     /* has check() */
#define IMAGE_REPAIRS 0x2u    /* check() repairs all that it names */
#define IMAGE_GROWS 0x4u      /* resize() */
#define IMAGE_SHRINKS 0x8u
#define IMAGE_SNAPSHOTS 0x10u /* internal ones */
#define IMAGE_BACKING 0x20u   /* commit, and rebase where set_backing() or
                                  set_base() is */
#define IMAGE_READ_ONLY 0x40u /* is never written */
/* What the reference tool can do with it. */
#define IMAGE_REFERENCE_CHECKS 0x100u
#define IMAGE_REFERENCE_WRITES 0x200u
/* A crash may leave what only opening for writing brings in order (a log,
 * counts that are late): it is checked after that, by the reference with
 * repair. */
#define IMAGE_REPLAYS 0x400u
/* After a crash the reference's check names what harms nobody (a count): it
 * must only be able to read the image. */
#define IMAGE_CRASH_UNCHECKED 0x800u
/* What describes the image is at the end of the data: power lost during a
 * resize may leave it in the space that is new. */
#define IMAGE_FOOTER 0x1000u
/* Its reference counts may have no room for a snapshot of compressed clusters:
 * that is refused, and nothing has happened then. */
#define IMAGE_FULL_COUNTS 0x2000u
#define IMAGE_BITMAPS 0x4000u /* persistent ones */
#define IMAGE_STATE 0x8000u   /* of the machine, in its snapshots */

/* One way to make an image. */
struct image_options {
    const char *ours;      /* "cluster-size=4K,compat=0.10", "" none; NULL: we
                              do not make it */
    const char *reference; /* its -o, "" none; NULL: it does not make it */
    uint32_t without;      /* what of the kind's abilities it does not have */
    uint32_t with;         /* what it has more */
    uint64_t backing;      /* size of an image under it; 0 none */
    const char *opens;     /* options to open it with; NULL none */
};

struct image_kind {
    const char *name;             /* the component */
    const char *const *plugins;   /* ends with NULL; proto-file first */
    const char *reference;        /* its name for it; NULL: does not know it */
    const char *reference_create; /* options before -o ("-o force_size") */
    uint32_t abilities;
    const char *base; /* what it can be based on; NULL: raw */
    uint64_t size_unit; /* sizes are multiples of it; 0: 512 */
    const struct image_options *options;
    guint n_options;
    guint fuzz_options; /* only the first so many are seeds; 0: all */
    /* Optional: makes the seeds of formats that nobody here writes. FALSE
     * past the last. */
    gboolean (*seed)(struct image_test *t, guint index);
    /* Optional: makes the checksums of a damaged image right again, so that
     * what lies behind them is reached: calls PUT for what is to change. */
    void (*mend)(const uint8_t *data, gsize bytes,
                 void (*put)(void *opaque, gsize at, const uint8_t *data,
                             gsize bytes),
                 void *opaque);
};

enum image_maker { MADE_HERE, MADE_BY_REFERENCE };

/* Begins a test of KIND. */
void image_kind_init(struct image_test *t, const struct image_kind *kind,
                     guint32 seed);
void image_kind_init_io(struct image_test *t, const struct image_kind *kind,
                        guint32 seed, enum block_io io);
/* A new image of BYTES at t->path, with a model; FALSE: MAKER does not make
 * it. With options->backing the base and the model have content. */
gboolean image_kind_make(struct image_test *t, const struct image_kind *kind,
                         const struct image_options *options,
                         enum image_maker maker, uint64_t bytes);
/* A raw image NAME to be based on. Returns its content; g_free(). */
uint8_t *image_kind_below(struct image_test *t, const char *name,
                          uint64_t bytes);
/* Makes an image with OPTIONS "a=b,c=d". 0 or an errno. */
int32_t image_create_with(struct image_test *t, const char *format,
                          const char *options, const struct tn_create *create,
                          struct tn_error *error);
/* Opens with OPTIONS "a=b,c=d". 0 or an errno. */
int32_t image_open_with(struct image_test *t, const char *format,
                        const char *options, uint32_t flags,
                        struct tn_error *error);
int32_t image_measure_with(struct image_test *t, const char *format,
                           const char *options, const struct tn_create *create,
                           struct tn_measure *measure, struct tn_error *error);
/* Must succeed. */
void image_kind_open(struct image_test *t, const struct image_kind *kind,
                     uint32_t flags);
/* Without the backing image and whatever it costs. */
int32_t image_open_alone(struct image_test *t, const char *format,
                         uint32_t flags, struct tn_error *error);
/* Around a call of node->fmt that may block, with no operation in flight. */
const struct tn_format *image_calls_begin(struct image_test *t);
void image_calls_end(struct image_test *t);
/* check() of the open image; each message is shown if SHOW. */
int32_t image_kind_check(struct image_test *t, uint32_t repair, gboolean show,
                    struct tn_check *result);
/* The open image has no damage and, if told so, no leak. */
void image_check_clean(struct image_test *t, gboolean leaks_allowed);
/* The same of t->path, not open, by the reference tool. */
void image_reference_check(struct image_test *t, const struct image_kind *kind,
                           gboolean leaks_allowed);
/* t->path, not open, has for the reference what the model has. */
void image_reference_compare(struct image_test *t,
                             const struct image_kind *kind);
/* `qemu-img create` of an encrypted image with these ARGUMENTS. FALSE, and it
 * is said: the reference cannot tell how long its key derivation takes, which
 * happens on a busy machine. Any other failure is the test's. */
gboolean image_reference_encrypts(struct image_test *t, const char *arguments);
uint32_t image_able(const struct image_kind *kind,
                    const struct image_options *options);
guint64 image_environment(const char *name, guint64 otherwise);
/* Is the option set wanted by TENON_TEST_OPTIONS? */
gboolean image_wanted(const struct image_options *options);
/* An operation that waits. */
int32_t image_do(struct image_test *t, uint32_t op, uint32_t flags,
                 uint64_t offset, uint64_t bytes, void *data);

/* history.c, power.c, fuzz.c: cmocka tests. */
void image_history_test(const struct image_kind *kind);
void image_power_test(const struct image_kind *kind);
void image_fuzz_test(const struct image_kind *kind);
/* Says which mutation it was. */
void image_fuzz_failed(void);
int image_fuzz_one(const struct image_kind *kind, const uint8_t *data,
                   size_t bytes);
int image_kind_main(const struct image_kind *kind);

#ifdef TENON_LIBFUZZER
#define IMAGE_KIND_TESTS(kind)                                                 \
    int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);             \
    int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)              \
    {                                                                          \
        return image_fuzz_one(&(kind), data, bytes);                           \
    }
#else
#define IMAGE_KIND_TESTS(kind)                                                 \
    int main(void)                                                             \
    {                                                                          \
        return image_kind_main(&(kind));                                       \
    }
#endif

#endif
