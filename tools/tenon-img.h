/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands of `tenon-img` share. */
#ifndef TENON_TOOLS_TENON_IMG_H
#define TENON_TOOLS_TENON_IMG_H

#include <glib.h>
#include <json-glib/json-glib.h>

#include "core/block/image.h"
#include "core/block/spec.h"

/* ---- options ---- */

enum img_option_kind {
    IMG_FLAG, /* gboolean */
    IMG_TEXT, /* const char *: the last one */
    IMG_LIST, /* GPtrArray *: all of them */
    IMG_SIZE, /* uint64_t with k M G T P E */
    IMG_NUMBER, /* uint64_t */
    IMG_HEADING, /* not an option: a line of help */
};

struct img_option {
    int letter;           /* 0 none */
    const char *name;     /* NULL none */
    const char *argument; /* NULL: a flag */
    enum img_option_kind kind;
    void *value;
    const char *help;
};

/* Options of most commands: what they set is in `img`. */
struct img {
    GPtrArray *objects;
    gboolean image_opts;
    gboolean quiet;
    gboolean progress;
    gboolean shared;
    gboolean no_backing;
    GPtrArray *backing_dirs;
    const char *format;
    const char *cache;
    const char *source_cache;
    const char *output;
    uint64_t jobs;
    struct tn_registry *registry;
    struct block_context *context;
};
extern struct img img;

#define IMG_OBJECT                                                             \
    {0, "object", "OBJECT", IMG_LIST, &img.objects,                            \
     "secret,id=ID,data=TEXT|file=FILE[,format=raw|base64]; or "               \
     "tls-creds-x509|tls-creds-psk,id=ID,dir=DIR"}
#define IMG_IMAGE_OPTS                                                         \
    {0, "image-opts", NULL, IMG_FLAG, &img.image_opts,                         \
     "FILE is a list of KEY=VALUE, not a name"}
#define IMG_FORMAT                                                             \
    {'f', "format", "FORMAT", IMG_TEXT, &img.format,                           \
     "the image's format (default: look at it)"}
#define IMG_QUIET {'q', "quiet", NULL, IMG_FLAG, &img.quiet, "only errors"}
#define IMG_PROGRESS                                                           \
    {'p', "progress", NULL, IMG_FLAG, &img.progress, "show progress"}
#define IMG_SHARE                                                              \
    {'U', "force-share", NULL, IMG_FLAG, &img.shared,                          \
     "open an image that others may be writing to"}
#define IMG_CACHE                                                              \
    {'t', "cache", "CACHE", IMG_TEXT, &img.cache,                              \
     "none, writeback, unsafe, directsync or writethrough"}
#define IMG_SOURCE_CACHE                                                       \
    {'T', "source-cache", "CACHE", IMG_TEXT, &img.source_cache,                \
     "the same for what is read"}
#define IMG_OUTPUT                                                             \
    {0, "output", "human|json", IMG_TEXT, &img.output, "how to print"}
#define IMG_POLICY                                                             \
    {0, "no-backing", NULL, IMG_FLAG, &img.no_backing,                         \
     "refuse images that have a backing file"},                                \
    {                                                                          \
        0, "backing-dir", "DIR", IMG_LIST, &img.backing_dirs,                  \
            "backing files only below DIR (again for more)"                    \
    }
#define IMG_JOBS                                                               \
    {0, "jobs", "N", IMG_NUMBER, &img.jobs, "worker threads (default: cores)"}
#define IMG_END {0}

struct img_command {
    const char *name;
    const char *arguments;
    const char *summary;
    const struct img_option *options;
    int (*run)(int argc, char **argv); /* what is left, without the name */
    gboolean raw_arguments; /* words with '-' may be arguments */
};

extern const struct img_command img_amend, img_bench, img_bitmap, img_check,
    img_commit, img_compare, img_convert, img_create, img_dd, img_info,
    img_map, img_measure, img_rebase, img_resize, img_serve, img_snapshot,
    img_verify;

/* "tenon-img: TEXT"; returns 1. */
int img_fail(const char *format, ...) G_GNUC_PRINTF(1, 2);
/* The same and how to get help. */
int img_usage(const char *format, ...) G_GNUC_PRINTF(1, 2);
void img_warn(const char *format, ...) G_GNUC_PRINTF(1, 2);
/* Unless -q. */
void img_say(const char *format, ...) G_GNUC_PRINTF(1, 2);
/* 0, or 1 after a message. */
int img_want_output(gboolean *json);

/* ---- --object: img-objects.c ---- */

/* 0 or 1. */
int img_object_add(const char *text);
/* OPTIONS, a list of KEY=VALUE, with what tls-creds stands for; NULL with
 * ERROR. g_free(). */
char *img_objects_in(const char *options, struct tn_error *error);
void img_objects_clear(void);

/* ---- images: img-open.c ---- */

/* Registry, context, secrets and policy as the options say. 0 or 1. */
int img_begin(void);
/* Of an option's FORMAT; NULL after a message. */
struct tn_component_entry *img_format(const char *name);

struct img_open {
    const char *name;
    const char *format;   /* NULL: probe */
    gboolean options;     /* the name is a list of KEY=VALUE */
    const char *cache;    /* NULL: writeback */
    uint32_t flags;       /* TN_IMAGE_* */
    gboolean no_backing;  /* leave it out */
    gboolean keep_quiet;  /* no message if it fails */
    const struct tn_value *values; /* of the stated format; NULL: defaults */
};
/* A node, or NULL after a message. */
struct block_node *img_open(const struct img_open *open);
/* 0, or 1 after a message. NULL is allowed. */
int img_close(struct block_node *node);
/* Check a -t or -T argument; what it means for node_options. FALSE: no such
 * mode. */
gboolean img_cache(const char *cache, uint32_t *flags, gboolean *no_flush);
/* 0 and the snapshot is what is seen from then on. */
int img_view_snapshot(struct block_node *node, const char *parameter);

/* The stretch from OFFSET on as scripts expect it; EXACT: as it is. */
int32_t img_extent(struct block_node *node, uint64_t offset, uint64_t bytes,
                   gboolean exact, struct image_extent *extent);
#define IMG_EXACT(FLAG)                                                        \
    {0, "exact", NULL, IMG_FLAG, &(FLAG),                                      \
     "all that is known of zeroes and holes, also where others see data"}

/* ---- making images: img-make.c ---- */

/* What -o and its companions ask for. */
struct img_make {
    const char *name;
    struct tn_component_entry *format;
    struct tn_value *values; /* of the format; NULL until set */
    GPtrArray *texts;        /* "name=value" pairs as they were set */
    char *raw_preallocation; /* NULL: off */
    struct tn_component_entry *protocol; /* NULL: not looked for */
    struct tn_value *protocol_values;    /* NULL: none was set */
    char *backing;
    char *backing_format;
    gboolean has_size;
    uint64_t bytes;
    gboolean unsafe; /* do not look at the backing image */
};
/* FORMAT by name; 0 or 1. */
int img_make_init(struct img_make *make, const char *name, const char *format);
void img_make_clear(struct img_make *make);
/* A list of KEY=VALUE. 0 or 1; -1: help was asked for and printed. */
int img_make_options(struct img_make *make, GPtrArray *lists);
/* Open the backing image for its size and check. 0 or 1. */
int img_make_backing(struct img_make *make, uint64_t *bytes);
int img_make_create(struct img_make *make);
/* The values of the format that opening the new image needs: its secrets.
 * block_values_free() them. */
struct tn_value *img_make_secrets(const struct img_make *make);

/* ---- their words: img-make-words.c ---- */

/* Is one of the -o LISTS a request for help? Prints FORMAT's options, and, if
 * the image's NAME is known, those of its protocol. */
gboolean img_options_help(GPtrArray *lists, const char *format,
                          const char *name, gboolean amend, int *status);
/* "Formatting 'NAME', fmt=qcow2 cluster_size=65536 ... size=..." */
void img_make_tell(const struct img_make *make);

/* ---- numbers: img-number.c ---- */

/* With b k K M G T P E. -EINVAL, -ERANGE. */
int32_t img_parse_size(const char *text, uint64_t *bytes);
/* "1.5 GiB" */
char *img_size_text(uint64_t bytes);
uint64_t img_round_up(uint64_t value, uint64_t unit);

/* ---- JSON: img-json.c ---- */

/* As people's scripts expect it: four spaces, "key": value. */
void img_json_print(JsonNode *node);
JsonNode *img_json_object_node(JsonObject *object);

/* ---- progress: img-progress.c ---- */

/* TOTAL in the unit that img_progress() is called with; shown only if asked
 * for (-p) and not -q. */
void img_progress_begin(uint64_t total);
void img_progress(void *unused, uint64_t done);
void img_progress_end(void);

#endif
