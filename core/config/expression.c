/* SPDX-License-Identifier: Apache-2.0 */
/* Arithmetic by recursive descent:
 *   sum     = product { ("+" | "-") product }
 *   product = factor { "*" factor }
 *   factor  = number | "(" sum ")"
 */
#include "core/config/expression.h"

#include <errno.h>
#include <string.h>

#include "core/plugin/schema.h"

#define MAX_DEPTH 16u

struct parser {
    const char *text; /* the whole, for messages */
    const char *at;
    guint depth;
    struct tn_error *error;
};

static int32_t sum(struct parser *parser, uint64_t *result);

static int32_t fail(struct parser *parser, const char *what)
{
    return tn_error_set(parser->error, -EINVAL, "'%s': %s", parser->text, what);
}

static gboolean take(struct parser *parser, char c)
{
    while (g_ascii_isspace(*parser->at))
        parser->at++;
    if (*parser->at != c)
        return FALSE;
    parser->at++;
    return TRUE;
}

static int32_t number(struct parser *parser, uint64_t *result)
{
    g_autofree char *word = NULL;
    gsize length = 0;

    while (g_ascii_isalnum(parser->at[length]))
        length++;
    if (!length)
        return fail(parser, *parser->at ? "a number is missing"
                                        : "a number is missing at the end");
    word = g_strndup(parser->at, length);
    if (tn_parse_size(word, result))
        return tn_error_set(parser->error, -EINVAL,
                            "'%s': '%s' is not a number", parser->text, word);
    parser->at += length;
    return 0;
}

static int32_t factor(struct parser *parser, uint64_t *result)
{
    int32_t code;

    if (take(parser, '%'))
        return fail(parser, "'%' stands only where the section's name has one");
    if (!take(parser, '('))
        return number(parser, result);
    if (++parser->depth > MAX_DEPTH)
        return fail(parser, "too many parentheses");
    code = sum(parser, result);
    parser->depth--;
    if (!code && !take(parser, ')'))
        code = fail(parser, "')' is missing");
    return code;
}

static int32_t product(struct parser *parser, uint64_t *result)
{
    int32_t code = factor(parser, result);

    while (!code && take(parser, '*')) {
        uint64_t right;

        code = factor(parser, &right);
        if (!code && __builtin_mul_overflow(*result, right, result))
            code = fail(parser, "the result is too large");
    }
    return code;
}

static int32_t sum(struct parser *parser, uint64_t *result)
{
    int32_t code = product(parser, result);

    while (!code) {
        gboolean minus = FALSE, over;
        uint64_t right;

        if (!take(parser, '+')) {
            minus = take(parser, '-');
            if (!minus)
                return 0;
        }
        code = product(parser, &right);
        if (code)
            return code;
        over = minus ? __builtin_sub_overflow(*result, right, result)
                     : __builtin_add_overflow(*result, right, result);
        if (over)
            code = fail(parser, minus ? "the result is negative"
                                      : "the result is too large");
    }
    return code;
}

int32_t tn_expression(const char *text, uint64_t *result,
                      struct tn_error *error)
{
    struct parser parser = {text, text, 0, error};
    int32_t code = sum(&parser, result);

    if (!code && !take(&parser, 0))
        code = fail(&parser, "cannot be read as a number");
    return code;
}
