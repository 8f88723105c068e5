/* SPDX-License-Identifier: Apache-2.0 */
/* See qcow2-case.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "plugins/fmt-qcow2/qcow2-case.h"

static const char *const plugins[] = {"proto-file", "fmt-raw", "fmt-qcow2",
                                      NULL};
const struct image_kind case_kind = {
    .name = "qcow2",
    .plugins = plugins,
    .reference = "qcow2",
    .abilities = IMAGE_REFERENCE_CHECKS,
};

void case_begin(struct image_test *t, guint32 seed)
{
    image_kind_init(t, &case_kind, seed);
    t->bytes = CASE_BYTES;
    t->model = g_malloc0(CASE_BYTES);
}

void case_make(struct image_test *t, const char *options)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct tn_create create = {.size = sizeof create, .bytes = t->bytes};
    int32_t rc = image_create_with(t, "qcow2", options, &create, &error);

    if (rc)
        fail_msg("%s: %s", options, tn_error_text(&error, rc));
}

void case_need_reference(void)
{
    if (!image_test_has_reference()) {
        print_message("skipped: qemu-img is not installed\n");
        skip();
    }
}

void case_verify(struct image_test *t)
{
    if (t->node)
        image_test_close(t);
    image_kind_open(t, &case_kind, 0);
    image_check_clean(t, FALSE);
    image_test_compare(t);
    image_test_close(t);
    image_reference_check(t, &case_kind, FALSE);
    image_reference_compare(t, &case_kind);
}

void case_write(struct image_test *t, uint64_t offset, uint64_t bytes)
{
    memset(t->model + offset, 0x42, bytes);
    assert_int_equal(
        image_do(t, TN_DISK_WRITE, 0, offset, bytes, t->model + offset), 0);
}
