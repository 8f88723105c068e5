/* SPDX-License-Identifier: Apache-2.0 */
/* dmg images that a script made: content and damage (tests/image/made.h). */
#include "tests/image/made.h"

static const char *const plugins[] = {"proto-file", "fmt-raw", "fmt-dmg", NULL};

static const char *const variants[] = {"all", "zlib", "resources", NULL};

static const struct image_kind kind = {
    .name = "dmg",
    .plugins = plugins,
    .abilities = IMAGE_READ_ONLY,
};

MADE_TESTS
