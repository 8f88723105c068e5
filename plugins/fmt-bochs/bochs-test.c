/* SPDX-License-Identifier: Apache-2.0 */
/* bochs images that a script made: content and damage (tests/image/made.h). */
#include "tests/image/made.h"

static const char *const plugins[] = {"proto-file", "fmt-raw", "fmt-bochs", NULL};

static const char *const variants[] = {"1", "2", NULL};

static const struct image_kind kind = {
    .name = "bochs",
    .plugins = plugins,
    .abilities = IMAGE_READ_ONLY,
};

MADE_TESTS
