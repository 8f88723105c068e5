/* SPDX-License-Identifier: Apache-2.0 */
/* Files of sums for `tenon-img verify`. */
#include "tools/img-sums.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/img-digest.h"
#include "tools/tenon-img.h"

#define TITLE "# tenon-img verify"
#define MOST_LINE 256

/* ---- reading ---- */

/* The next line without its end; FALSE at the end of the file. */
static gboolean next_line(struct img_sums *s, char line[MOST_LINE])
{
    if (!fgets(line, MOST_LINE, s->from))
        return FALSE;
    s->line++;
    line[strcspn(line, "\r\n")] = 0;
    return TRUE;
}

static int bad_line(const struct img_sums *s, const char *what)
{
    return img_fail("%s:%" G_GUINT64_FORMAT ": %s", s->from_name, s->line,
                    what);
}

static int read_header(struct img_sums *s, char algorithm[MOST_LINE],
                       guint64 *piece)
{
    char line[MOST_LINE];
    int end = 0;

    if (!next_line(s, line) ||
        sscanf(line,
               TITLE " %15[a-z0-9] %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT
                     "%n",
               algorithm, piece, &s->bytes, &end) != 3 ||
        line[end]) {
        s->line = 1;
        return bad_line(s, "expected '" TITLE " ALGORITHM PIECE BYTES'");
    }
    return 0;
}

static int open_from(struct img_sums *s, const char *name)
{
    s->from_name = name;
    s->from = fopen(name, "re");
    return s->from ? 0 : img_fail("%s: %s", name, g_strerror(errno));
}

int img_sums_header(const char *name, const char **algorithm, guint64 *piece)
{
    struct img_sums s = {0};
    char made[MOST_LINE];
    int rc = open_from(&s, name);

    if (rc)
        return rc;
    rc = read_header(&s, made, piece);
    fclose(s.from);
    *algorithm = g_intern_string(made);
    if (!rc && !*piece)
        rc = bad_line(&s, "pieces of 0 bytes");
    return rc;
}

/* ---- both ---- */

int img_sums_open(struct img_sums *s, const char *from, const char *to,
                  const char *algorithm, guint64 piece, guint64 bytes)
{
    char made[MOST_LINE];
    guint64 made_piece;

    s->bytes = bytes;
    if (from && (open_from(s, from) || read_header(s, made, &made_piece)))
        goto failed;
    if (s->bytes != bytes) {
        img_warn("the image has %" G_GUINT64_FORMAT " bytes, but %" G_GUINT64_FORMAT
                 " when %s was written",
                 bytes, s->bytes, from);
        s->differ = TRUE;
    }
    if (!to)
        return 0;
    s->to_name = to;
    s->new_name = g_strconcat(to, ".new", NULL);
    s->to = fopen(s->new_name, "we");
    if (s->to && fprintf(s->to,
                         TITLE " %s %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT
                               "\n",
                         algorithm, piece, bytes) > 0)
        return 0;
    img_fail("%s: %s", s->new_name, g_strerror(errno));
failed:
    img_sums_close(s, FALSE);
    return 1;
}

static void report_difference(struct img_sums *s)
{
    if (s->differs_end > s->differs_at)
        img_warn("the content differs between offsets %" G_GUINT64_FORMAT
                 " and %" G_GUINT64_FORMAT,
                 s->differs_at, s->differs_end);
    s->differs_at = s->differs_end = 0;
}

static int compare_piece(struct img_sums *s, guint64 offset, guint64 bytes,
                         const char *sum)
{
    char line[MOST_LINE];

    if (!next_line(s, line)) {
        if (ferror(s->from))
            return img_fail("%s: %s", s->from_name, g_strerror(errno));
        if (offset < s->bytes) {
            s->line++;
            return bad_line(s, "the file ends too early");
        }
        return 0; /* the image has become longer: that has been said */
    }
    if (strlen(line) != strlen(sum) ||
        strspn(line, "0123456789abcdefABCDEF") != strlen(line))
        return bad_line(s, "this is not a sum");
    if (!g_ascii_strcasecmp(line, sum)) {
        report_difference(s);
        return 0;
    }
    s->differ = TRUE;
    if (s->differs_end != offset || s->differs_end == s->differs_at)
        s->differs_at = offset;
    s->differs_end = offset + bytes;
    return 0;
}

int img_sums_piece(struct img_sums *s, guint64 offset, guint64 bytes,
                   const char *sum)
{
    if (s->from && compare_piece(s, offset, bytes, sum))
        return 1;
    if (s->to && fprintf(s->to, "%s\n", sum) < 0)
        return img_fail("%s: %s", s->new_name, g_strerror(errno));
    return 0;
}

int img_sums_close(struct img_sums *s, gboolean complete)
{
    int rc = 0;

    report_difference(s);
    if (s->from)
        fclose(s->from);
    if (s->to) {
        gboolean written = fflush(s->to) == 0 && fsync(fileno(s->to)) == 0;

        if (fclose(s->to))
            written = FALSE;
        if (complete && written)
            written = rename(s->new_name, s->to_name) == 0;
        if (complete && !written)
            rc = img_fail("%s: %s", s->to_name, g_strerror(errno));
        if (!complete || !written)
            unlink(s->new_name);
    }
    g_free(s->new_name);
    s->from = s->to = NULL;
    s->new_name = NULL;
    return rc;
}

gboolean img_sums_differ(const struct img_sums *s)
{
    return s->differ;
}
