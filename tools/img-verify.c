/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tenon-img verify: digests of what a guest would read.
 *
 * The content is cut into pieces; each piece's digest in hexadecimal and a
 * newline, one after the other, is the list of sums, and the digest of that
 * list is the image's. So pieces are read and digested on all cores, what is
 * known to be zeroes is not read, and anybody can check the result with
 * split(1) and sha256sum(1). --whole is the digest of the content as it is.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/img-digest.h"
#include "tools/img-sums.h"
#include "tools/tenon-img.h"

#define EXIT_DIFFER 1
#define EXIT_ERROR 2
#define MOST_PIECE (64ull << 20)
#define MOST_MEMORY (64ull << 20)
#define STEP (1ull << 40)

static const char *algorithm, *expected, *read_sums, *write_sums, *snapshot;
static gboolean whole;
static uint64_t piece_bytes;

static const struct img_option options[] = {
    IMG_FORMAT,
    IMG_IMAGE_OPTS,
    {'l', "snapshot", "SNAPSHOT", IMG_TEXT, &snapshot,
     "what the internal snapshot of that id or name has"},
    {'a', "algorithm", "NAME", IMG_TEXT, &algorithm,
     "sha256 (default), sha1, sha384 or sha512"},
    {'w', "whole", NULL, IMG_FLAG, &whole,
     "the digest of the whole content, as sha256sum(1) has it of a raw image"},
    {0, "piece", "SIZE", IMG_SIZE, &piece_bytes,
     "what one sum is of (default: 1M)"},
    {0, "expect", "DIGEST", IMG_TEXT, &expected,
     "fail if it is another; DIGEST as it was printed, or its hexadecimal"},
    {0, "write-sums", "SUMS", IMG_TEXT, &write_sums,
     "write the pieces' sums to a file"},
    {0, "check-sums", "SUMS", IMG_TEXT, &read_sums,
     "compare with such a file, and say what differs"},
    {'T', "cache", "CACHE", IMG_TEXT, &img.source_cache,
     "none, writeback, unsafe, directsync or writethrough"},
    IMG_SHARE,
    IMG_PROGRESS,
    IMG_QUIET,
    IMG_OUTPUT,
    IMG_OBJECT,
    IMG_POLICY,
    IMG_JOBS,
    IMG_END,
};

/* ---- pieces ---- */

struct verify;

struct piece {
    struct block_op op;      /* first: its done() finds the piece */
    struct block_work hash;  /* on a worker */
    struct block_work ready; /* back on the context's thread */
    struct verify *verify;
    struct iovec iov;
    uint8_t *data;
    uint64_t bytes;
    struct img_digest *digest;
    char sum[IMG_DIGEST_HEX];
    gboolean zero, done;
    int result;
};

struct verify {
    struct block_node *node;
    uint64_t bytes, piece, count;
    uint64_t begun, finished; /* pieces; those between are in flight */
    struct piece *pieces;
    guint n_pieces;
    struct image_extent extent;
    struct img_digest *digest; /* of the list, or of everything */
    uint8_t *zeroes;           /* a piece of them */
    char zero_sum[IMG_DIGEST_HEX];
    struct img_sums sums;
};

static void piece_ready(struct block_work *work)
{
    struct piece *p =
        (struct piece *)(void *)((char *)work - offsetof(struct piece, ready));

    p->done = TRUE;
}

static void piece_hash(struct block_work *work)
{
    struct piece *p =
        (struct piece *)(void *)((char *)work - offsetof(struct piece, hash));

    img_digest_add(p->digest, p->data, p->bytes);
    img_digest_end(p->digest, p->sum);
    block_context_post(p->verify->node->context, &p->ready);
}

static void piece_read(struct block_op *op, int result)
{
    struct piece *p = (struct piece *)op;

    p->result = result;
    if (result || whole)
        p->done = TRUE;
    else
        block_context_work(p->verify->node->context, &p->hash);
}

static uint64_t piece_length(const struct verify *v, uint64_t index)
{
    return MIN(v->piece, v->bytes - index * v->piece);
}

/* 1: all of it is known to be zeroes; else 0, or a negative errno. */
static int is_zero(struct verify *v, uint64_t at, uint64_t bytes)
{
    uint64_t end = at + bytes;
    int rc;

    while (at < end) {
        struct image_extent *e = &v->extent;

        if (at < e->offset || at >= e->offset + e->bytes) {
            rc = image_extent(v->node, NULL, at, MIN(v->bytes - at, STEP),
                              IMAGE_STATUS_HOLES, e);
            if (rc)
                return rc;
        }
        if (!e->zero)
            return 0;
        at = e->offset + e->bytes;
    }
    return 1;
}

static int begin_piece(struct verify *v)
{
    struct piece *p = &v->pieces[v->begun % v->n_pieces];
    uint64_t at = v->begun * v->piece;
    int zero;

    p->bytes = piece_length(v, v->begun++);
    p->done = FALSE;
    p->result = 0;
    zero = is_zero(v, at, p->bytes);
    p->zero = zero > 0;
    if (zero) {
        p->result = MIN(zero, 0);
        p->done = TRUE;
        return p->result;
    }
    p->iov = (struct iovec){p->data, p->bytes};
    p->op = (struct block_op){.node = v->node,
                              .op = TN_DISK_READ,
                              .offset = at,
                              .bytes = p->bytes,
                              .iov = &p->iov,
                              .n_iov = 1,
                              .done = piece_read};
    block_op_start(&p->op);
    return 0;
}

/* The sum of a piece of zeroes; only the last one is shorter. */
static const char *zero_sum(struct verify *v, struct piece *p)
{
    if (p->bytes == v->piece)
        return v->zero_sum;
    img_digest_add(p->digest, v->zeroes, p->bytes);
    img_digest_end(p->digest, p->sum);
    return p->sum;
}

static int finish_piece(struct verify *v)
{
    struct piece *p = &v->pieces[v->finished % v->n_pieces];
    uint64_t at = v->finished++ * v->piece;
    const char *sum;

    if (p->result) {
        img_fail("%s: what stands at offset %" G_GUINT64_FORMAT
                 " cannot be read: %s",
                 v->node->name, at, g_strerror(-p->result));
        return EXIT_ERROR;
    }
    img_progress(NULL, at + p->bytes);
    if (whole) {
        img_digest_add(v->digest, p->zero ? v->zeroes : p->data, p->bytes);
        return 0;
    }
    sum = p->zero ? zero_sum(v, p) : p->sum;
    img_digest_add(v->digest, sum, strlen(sum));
    img_digest_add(v->digest, "\n", 1);
    return img_sums_piece(&v->sums, at, p->bytes, sum) ? EXIT_ERROR : 0;
}

static int verify_content(struct verify *v)
{
    int status = 0;

    while (v->finished < v->begun || (!status && v->begun < v->count)) {
        struct piece *next = &v->pieces[v->finished % v->n_pieces];

        if (!status && v->begun < v->count &&
            v->begun - v->finished < v->n_pieces)
            begin_piece(v);
        else if (!next->done)
            block_context_wait(v->node->context);
        else if (status)
            v->finished++; /* only what is in flight is awaited */
        else
            status = finish_piece(v);
    }
    return status;
}

/* ---- set up ---- */

static int verify_init(struct verify *v, struct block_node *node)
{
    guint workers =
        (guint)g_thread_pool_get_max_threads(node->context->workers);

    v->node = node;
    v->bytes = node->info.bytes;
    v->piece = piece_bytes;
    v->count = v->bytes / v->piece + (v->bytes % v->piece != 0);
    v->n_pieces = (guint)CLAMP(MOST_MEMORY / v->piece, 1, 2 * workers + 2);
    v->pieces = g_new0(struct piece, v->n_pieces);
    v->digest = img_digest_new(algorithm);
    v->zeroes = calloc(1, v->piece);
    for (guint i = 0; i < v->n_pieces; i++) {
        struct piece *p = &v->pieces[i];

        p->verify = v;
        p->hash.run = piece_hash;
        p->ready.run = piece_ready;
        p->digest = img_digest_new(algorithm);
        p->data = block_file_memory(node_file(node, 0), v->piece);
        if (!p->data || !p->digest)
            return -ENOMEM;
    }
    if (!v->zeroes || !v->digest)
        return -ENOMEM;
    img_digest_add(v->digest, v->zeroes, v->piece);
    img_digest_end(v->digest, v->zero_sum);
    return 0;
}

static void verify_clear(struct verify *v)
{
    for (guint i = 0; v->pieces && i < v->n_pieces; i++) {
        img_digest_free(v->pieces[i].digest);
        free(v->pieces[i].data);
    }
    g_free(v->pieces);
    img_digest_free(v->digest);
    free(v->zeroes);
}

/* ---- the answer ---- */

/* "sha256-1048576:HEX", of the whole content "sha256:HEX". */
static char *digest_text(const char *hex)
{
    if (whole)
        return g_strdup_printf("%s:%s", algorithm, hex);
    return g_strdup_printf("%s-%" G_GUINT64_FORMAT ":%s", algorithm,
                           piece_bytes, hex);
}

static void print_json(const struct verify *v, const char *hex, int status)
{
    JsonObject *o = json_object_new();
    JsonNode *node = img_json_object_node(o);

    json_object_set_string_member(o, "filename", v->node->name);
    json_object_set_string_member(o, "format", v->node->host.entry->info.id);
    json_object_set_int_member(o, "virtual-size", (gint64)v->bytes);
    json_object_set_string_member(o, "algorithm", algorithm);
    if (!whole)
        json_object_set_int_member(o, "piece", (gint64)v->piece);
    json_object_set_string_member(o, "digest", hex);
    if (expected || read_sums)
        json_object_set_boolean_member(o, "equal", status == 0);
    img_json_print(node);
    json_node_unref(node);
}

static int answer(struct verify *v, gboolean json)
{
    char hex[IMG_DIGEST_HEX];
    g_autofree char *text = NULL;
    int status = img_sums_differ(&v->sums) ? EXIT_DIFFER : 0;

    img_digest_end(v->digest, hex);
    text = digest_text(hex);
    img_progress_end();
    if (expected && strcmp(expected, text) != 0 &&
        g_ascii_strcasecmp(expected, hex) != 0)
        status = EXIT_DIFFER;
    if (json)
        print_json(v, hex, status);
    else
        img_say("%s  %s\n", text, v->node->name);
    if (status && expected)
        img_fail("%s is not what was expected: %s", v->node->name, expected);
    else if (status)
        img_fail("%s is not what %s says", v->node->name, read_sums);
    return status;
}

/* ---- the command ---- */

/* A digest as it was printed says how it was made. */
static int take_expected(void)
{
    const char *colon = expected ? strchr(expected, ':') : NULL;
    g_autofree char *made = NULL;
    char *dash;

    if (!colon)
        return 0;
    made = g_strndup(expected, (gsize)(colon - expected));
    dash = strchr(made, '-');
    whole = !dash;
    if (dash) {
        *dash = 0;
        if (img_parse_size(dash + 1, &piece_bytes))
            return img_usage("'%s' is not a digest", expected);
    }
    algorithm = g_intern_string(made);
    return 0;
}

static int check_options(gboolean *json)
{
    struct img_digest *digest;

    if (take_expected() || img_want_output(json))
        return EXIT_ERROR;
    if (read_sums && img_sums_header(read_sums, &algorithm, &piece_bytes))
        return EXIT_ERROR;
    algorithm = algorithm ? algorithm : "sha256";
    piece_bytes = piece_bytes ? piece_bytes : 1u << 20;
    digest = img_digest_new(algorithm);
    img_digest_free(digest);
    if (!digest)
        img_usage("there is no algorithm '%s'", algorithm);
    else if (piece_bytes % 512 || piece_bytes > MOST_PIECE)
        img_usage("a piece is a multiple of 512 bytes, at most 64M");
    else if (whole && (read_sums || write_sums))
        img_usage("sums are of pieces: leave --whole out");
    else
        return 0;
    return EXIT_ERROR;
}

static int verify_image(struct block_node *node, gboolean json)
{
    struct verify v = {0};
    int status = EXIT_ERROR;

    if (verify_init(&v, node))
        img_fail("no memory");
    else if (!img_sums_open(&v.sums, read_sums, write_sums, algorithm,
                            v.piece, v.bytes)) {
        img_progress_begin(v.bytes);
        status = verify_content(&v);
        if (img_sums_close(&v.sums, status == 0))
            status = EXIT_ERROR;
        if (!status)
            status = answer(&v, json);
    }
    verify_clear(&v);
    return status;
}

static int run(int argc, char **argv)
{
    struct img_open open = {.format = img.format,
                            .options = img.image_opts,
                            .cache = img.source_cache};
    struct block_node *node;
    gboolean json;
    int status;

    if (argc != 1) {
        img_usage("Expecting one image file name");
        return EXIT_ERROR;
    }
    if (check_options(&json) || img_begin())
        return EXIT_ERROR;
    open.name = argv[0];
    node = img_open(&open);
    if (!node)
        return EXIT_ERROR;
    status = snapshot && img_view_snapshot(node, snapshot)
                 ? EXIT_ERROR
                 : verify_image(node, json);
    node_close(node, NULL);
    return status;
}

const struct img_command img_verify = {
    "verify", "FILE", "Digests of the content, made on all cores", options,
    run, FALSE};
