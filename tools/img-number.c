/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes as people write and read them. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/tenon-img.h"

int32_t img_parse_size(const char *text, uint64_t *bytes)
{
    static const char units[] = "bkmgtpe";
    const char *unit = NULL;
    char *end;
    double fraction = 0;
    uint64_t number, scale = 1;

    if (!g_ascii_isdigit(*text))
        return -EINVAL;
    errno = 0;
    number = g_ascii_strtoull(text, &end, g_str_has_prefix(text, "0x") ? 16
                                                                       : 10);
    if (errno)
        return -ERANGE;
    if (*end == '.')
        fraction = g_ascii_strtod(end, &end);
    if (*end) {
        unit = strchr(units, g_ascii_tolower(*end));
        if (!unit || end[1])
            return -EINVAL;
        scale = 1ull << 10 * (unit - units);
    }
    if (fraction != 0 && scale == 1)
        return -EINVAL;
    if (__builtin_mul_overflow(number, scale, &number) ||
        __builtin_add_overflow(number,
                               (uint64_t)(fraction * (double)scale), &number))
        return -ERANGE;
    *bytes = number;
    return 0;
}

char *img_size_text(uint64_t bytes)
{
    static const char *const units[] = {"B",   "KiB", "MiB", "GiB",
                                        "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    gsize i = 0;

    /* 999.5 of a unit would be printed as four digits. */
    while (i + 1 < G_N_ELEMENTS(units) && value >= 1000) {
        value /= 1024;
        i++;
    }
    return g_strdup_printf("%0.3g %s", value, units[i]);
}

uint64_t img_round_up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) / unit * unit;
}
