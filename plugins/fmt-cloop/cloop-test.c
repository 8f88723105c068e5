/* SPDX-License-Identifier: Apache-2.0 */
/* cloop images that a script made: content and damage (tests/image/made.h). */
#include "tests/image/made.h"

static const char *const plugins[] = {"proto-file", "fmt-raw", "fmt-cloop", NULL};

static const char *const variants[] = {"65536", "512", "12288", NULL};

static const struct image_kind kind = {
    .name = "cloop",
    .plugins = plugins,
    .abilities = IMAGE_READ_ONLY,
};

MADE_TESTS
