/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protocol file: its locks, between two that open an image and with the
 * reference tool in another process; holes; direct I/O; what is no file.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/block/file.h"
#include "tests/image/kind.h"

#define MIB (1u << 20)

static const char *const plugins[] = {"proto-file", "fmt-raw", NULL};

static void begin(struct image_test *t, uint64_t bytes)
{
    image_test_init(t, plugins, BLOCK_IO_BEST, 3);
    t->bytes = bytes;
    t->model = g_malloc0(bytes);
    assert_int_equal(image_test_create(t, "raw", bytes), 0);
}

static int32_t open_it(struct image_test *t, uint32_t flags)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    int32_t rc = image_test_open(t, "raw", flags, &error);

    if (rc)
        assert_true(tn_error_text(&error, 0)[0]);
    return rc;
}

/* What a second one gets that opens the same image. */
static int32_t second(struct image_test *t, uint32_t flags)
{
    struct block_node *first = t->node;
    int32_t rc;

    t->node = NULL;
    rc = open_it(t, flags);
    if (!rc)
        image_test_close(t);
    t->node = first;
    return rc;
}

static uint64_t stored(struct image_test *t)
{
    struct stat st;

    assert_int_equal(stat(t->path, &st), 0);
    return (uint64_t)st.st_blocks * 512;
}

/* ---- locks ---- */

static void test_one_writer_or_many_readers(void **state)
{
    struct image_test t;

    (void)state;
    begin(&t, MIB);
    assert_int_equal(open_it(&t, TN_IMAGE_WRITABLE), 0);
    assert_int_equal(second(&t, 0), -EBUSY);
    assert_int_equal(second(&t, TN_IMAGE_WRITABLE), -EBUSY);
    assert_int_equal(second(&t, TN_IMAGE_UNLOCKED), 0);
    image_test_close(&t);
    assert_int_equal(open_it(&t, 0), 0);
    assert_int_equal(second(&t, 0), 0);
    assert_int_equal(second(&t, TN_IMAGE_WRITABLE), -EBUSY);
    image_test_close(&t);
    assert_int_equal(open_it(&t, TN_IMAGE_WRITABLE), 0);
    image_test_clear(&t);
}

static void test_an_image_in_use_is_not_made_anew(void **state)
{
    struct image_test t;
    uint8_t data[512], back[512];

    (void)state;
    begin(&t, MIB);
    memset(data, 7, sizeof data);
    assert_int_equal(open_it(&t, TN_IMAGE_WRITABLE), 0);
    assert_int_equal(image_do(&t, TN_DISK_WRITE, 0, 0, 512, data), 0);
    assert_int_not_equal(image_test_create(&t, "raw", 512), 0);
    assert_int_equal(image_do(&t, TN_DISK_READ, 0, 0, 512, back), 0);
    assert_memory_equal(data, back, 512);
    image_test_clear(&t);
}

static void need_reference(void)
{
    if (!image_test_has_reference()) {
        print_message("skipped: qemu-img is not installed\n");
        skip();
    }
}

static int reference_reads(struct image_test *t, const char *how)
{
    return image_test_run("qemu-img map -f raw %s %s >/dev/null 2>&1", how,
                          t->path) == 0;
}

static int reference_writes(struct image_test *t)
{
    return image_test_run("qemu-io -f raw -c 'write 0 512' %s >/dev/null 2>&1",
                          t->path) == 0;
}

static void test_the_reference_sees_our_locks(void **state)
{
    struct image_test t;

    (void)state;
    need_reference();
    begin(&t, MIB);
    assert_int_equal(open_it(&t, TN_IMAGE_WRITABLE), 0);
    assert_false(reference_writes(&t));
    assert_true(reference_reads(&t, "-U"));
    image_test_close(&t);
    assert_int_equal(open_it(&t, 0), 0);
    assert_false(reference_writes(&t));
    assert_true(reference_reads(&t, ""));
    image_test_close(&t);
    assert_true(reference_writes(&t));
    image_test_clear(&t);
}

/* Runs until its input ends; has read from the image when this returns. */
static GPid start_reference(struct image_test *t, int *in)
{
    const char *arguments[] = {"qemu-io", "-f", "raw", t->path, NULL};
    char text[4096];
    gsize n = 0;
    GPid pid;
    int out;

    assert_true(g_spawn_async_with_pipes(
        NULL, (char **)arguments, NULL,
        G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &pid, in,
        &out, NULL, NULL));
    assert_int_equal(write(*in, "read 0 512\n", 11), 11);
    do {
        ssize_t more = read(out, text + n, sizeof text - 1 - n);

        assert_true(more > 0);
        n += (gsize)more;
        text[n] = 0;
    } while (!strstr(text, "512 bytes"));
    close(out);
    return pid;
}

static void test_we_see_the_locks_of_the_reference(void **state)
{
    struct image_test t;
    GPid pid;
    int in;

    (void)state;
    need_reference();
    begin(&t, MIB);
    pid = start_reference(&t, &in);
    assert_int_equal(open_it(&t, TN_IMAGE_WRITABLE), -EBUSY);
    assert_int_equal(open_it(&t, 0), -EBUSY);
    close(in);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(open_it(&t, TN_IMAGE_WRITABLE), 0);
    image_test_clear(&t);
}

/* ---- holes ---- */

static int32_t status(struct image_test *t, uint64_t at, uint64_t *bytes)
{
    struct block_file *file = node_file(t->node, 0);

    return file->ops.status(file->host.self, at, bytes);
}

static void test_holes_are_found_and_made(void **state)
{
    g_autofree uint8_t *data = g_malloc(MIB);
    uint64_t before, bytes = 0;
    struct image_test t;

    (void)state;
    begin(&t, 4 * MIB);
    memset(data, 9, MIB);
    assert_int_equal(open_it(&t, TN_IMAGE_WRITABLE), 0);
    memset(t.model + 2 * MIB, 9, MIB);
    assert_int_equal(
        image_do(&t, TN_DISK_WRITE, 0, 2 * MIB, MIB, data), 0);
    image_test_compare(&t);
    before = stored(&t);
    if (before >= 4 * MIB) {
        print_message("skipped: the file system has no holes\n");
        image_test_clear(&t);
        skip();
    }
    assert_int_equal(status(&t, 0, &bytes), TN_STATUS_HOLE);
    assert_int_equal(bytes, 2 * MIB);
    assert_int_equal(status(&t, 2 * MIB, &bytes), TN_STATUS_DATA);
    assert_int_equal(bytes, MIB);
    assert_int_equal(status(&t, 3 * MIB, &bytes), TN_STATUS_HOLE);
    assert_true(bytes >= MIB);
    assert_int_equal(image_do(&t, TN_DISK_ZERO, TN_DISK_UNMAP, 2 * MIB, MIB,
                              NULL),
                     0);
    memset(t.model + 2 * MIB, 0, MIB);
    image_test_compare(&t);
    assert_true(stored(&t) < before);
    image_test_clear(&t);
}

/* ---- direct I/O ---- */

static void test_direct_transfers_of_any_size(void **state)
{
    struct image_test t;
    int fd;

    (void)state;
    begin(&t, MIB);
    fd = open(t.path, O_RDONLY | O_DIRECT | O_CLOEXEC);
    if (fd < 0) {
        print_message("skipped: the file system has no direct I/O\n");
        image_test_clear(&t);
        skip();
    }
    close(fd);
    assert_int_equal(open_it(&t, TN_IMAGE_WRITABLE | TN_IMAGE_DIRECT), 0);
    image_test_history(&t, 300, 8); /* at any sector */
    image_test_compare(&t);
    image_test_close(&t);
    assert_int_equal(open_it(&t, 0), 0);
    image_test_compare(&t);
    image_test_clear(&t);
}

/* ---- what is no file ---- */

static void test_other_things_are_refused(void **state)
{
    static const char *const names[] = {"/dev/null", "/", "/nonexistent/a"};

    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        struct image_test t;

        image_test_init(&t, plugins, BLOCK_IO_BEST, 3);
        g_free(t.path);
        t.path = g_strdup(names[i]);
        assert_int_not_equal(open_it(&t, 0), 0);
        image_test_clear(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_writer_or_many_readers),
        cmocka_unit_test(test_an_image_in_use_is_not_made_anew),
        cmocka_unit_test(test_the_reference_sees_our_locks),
        cmocka_unit_test(test_we_see_the_locks_of_the_reference),
        cmocka_unit_test(test_holes_are_found_and_made),
        cmocka_unit_test(test_direct_transfers_of_any_size),
        cmocka_unit_test(test_other_things_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
