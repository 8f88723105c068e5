/* SPDX-License-Identifier: Apache-2.0 */
/* Optimal string alignment distance by dynamic programming over three rows. */
#include "core/util/nearest.h"

#include <string.h>

/* Longer names are not names somebody mistyped. */
#define LONGEST 64

static guint least(guint a, guint b)
{
    return a < b ? a : b;
}

guint tn_edit_distance(const char *a, const char *b, guint limit)
{
    guint rows[3][LONGEST + 1];
    gsize la = strlen(a), lb = strlen(b);

    if (la > LONGEST || lb > LONGEST)
        return limit;
    for (gsize j = 0; j <= lb; j++)
        rows[0][j] = (guint)j;
    for (gsize i = 1; i <= la; i++) {
        guint *row = rows[i % 3], *above = rows[(i + 2) % 3];
        guint *second = rows[(i + 1) % 3];

        row[0] = (guint)i;
        for (gsize j = 1; j <= lb; j++) {
            guint cost = a[i - 1] != b[j - 1];

            row[j] =
                least(above[j - 1] + cost, 1 + least(above[j], row[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], second[j - 2] + 1);
        }
    }
    return least(rows[la % 3][lb], limit);
}

void tn_nearest_init(struct tn_nearest *nearest, const char *wanted)
{
    nearest->wanted = wanted;
    nearest->best = NULL;
    /* A third of the letters may be wrong, and one always. */
    nearest->distance = (guint)strlen(wanted) / 3 + 2;
}

void tn_nearest_offer(struct tn_nearest *nearest, const char *candidate)
{
    guint distance =
        tn_edit_distance(nearest->wanted, candidate, nearest->distance);

    /* Replacing every letter is no likeness. */
    if (distance >= nearest->distance || distance >= strlen(candidate))
        return;
    nearest->distance = distance;
    nearest->best = candidate;
}

char *tn_nearest_hint(const struct tn_nearest *nearest)
{
    if (!nearest->best)
        return g_strdup("");
    return g_strdup_printf("; did you mean '%s'?", nearest->best);
}
