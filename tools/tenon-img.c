/* SPDX-License-Identifier: Apache-2.0 */
/* tenon-img: make, look at, convert and serve disk images. The command line
 * and what the commands share; each command has its own file. */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/util/log.h"
#include "core/util/nearest.h"
#include "tools/tenon-img.h"

#define FIRST_LONG 1000

struct img img;
static const struct img_command *current;

static const struct img_command *const commands[] = {
    &img_amend,   &img_bench,  &img_bitmap,  &img_check,  &img_commit,
    &img_compare, &img_convert, &img_create, &img_dd,     &img_info,
    &img_map,     &img_measure, &img_rebase, &img_resize,
    &img_serve,   &img_snapshot, &img_verify,
};

/* ---- messages ---- */

static void say(FILE *to, const char *format, va_list ap)
{
    fflush(stdout);
    fputs("tenon-img: ", to);
    vfprintf(to, format, ap);
    fputc('\n', to);
}

int img_fail(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    say(stderr, format, ap);
    va_end(ap);
    return 1;
}

int img_usage(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    say(stderr, format, ap);
    va_end(ap);
    fprintf(stderr, "Try 'tenon-img %s%s--help' for more information\n",
            current ? current->name : "", current ? " " : "");
    return 1;
}

void img_warn(const char *format, ...)
{
    va_list ap;

    fflush(stdout);
    fputs("tenon-img: warning: ", stderr);
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fputc('\n', stderr);
}

void img_say(const char *format, ...)
{
    va_list ap;

    if (img.quiet)
        return;
    va_start(ap, format);
    vprintf(format, ap);
    va_end(ap);
}

int img_want_output(gboolean *json)
{
    *json = img.output && !strcmp(img.output, "json");
    if (!img.output || *json || !strcmp(img.output, "human"))
        return 0;
    return img_usage("--output expects 'human' or 'json', not '%s'",
                     img.output);
}

/* ---- help ---- */

static gint by_name(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void print_formats(void)
{
    struct tn_registry *registry = tn_registry_new();
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    GPtrArray *all;

    tn_registry_add_default(registry, NULL);
    all = tn_registry_components(registry);
    for (guint i = 0; i < all->len; i++) {
        struct tn_component_entry *entry = g_ptr_array_index(all, i);

        if (entry->info.kind == TN_KIND_FORMAT ||
            entry->info.kind == TN_KIND_PROTOCOL)
            g_ptr_array_add(names, entry->info.id);
    }
    g_ptr_array_sort(names, by_name);
    fputs("\nSupported formats:", stdout);
    for (guint i = 0; i < names->len; i++)
        printf(" %s", (char *)g_ptr_array_index(names, i));
    putchar('\n');
    tn_registry_free(registry);
}

static void print_help(void)
{
    puts("Usage: tenon-img COMMAND [OPTIONS] ...\n\nCommands:");
    for (gsize i = 0; i < G_N_ELEMENTS(commands); i++)
        printf("  %-9s %s\n", commands[i]->name, commands[i]->summary);
    puts("\n'tenon-img COMMAND --help' has the rest; tenon-img(1) is the "
         "manual.");
    print_formats();
}

static void print_option(const struct img_option *o)
{
    g_autofree char *left = g_strdup_printf(
        "%c%c%s%s%s%s%s", o->letter ? '-' : ' ', o->letter ? o->letter : ' ',
        o->letter && o->name ? ", " : o->letter ? "" : "  ",
        o->name ? "--" : "", o->name ? o->name : "", o->argument ? " " : "",
        o->argument ? o->argument : "");

    if (o->kind == IMG_HEADING)
        printf("  %s\n", o->help);
    else if (strlen(left) > 27)
        printf("  %s\n  %-28s%s\n", left, "", o->help);
    else
        printf("  %-28s%s\n", left, o->help);
}

static int command_help(const struct img_command *command)
{
    printf("Usage: tenon-img %s [OPTIONS] %s\n\n%s.\n\nOptions:\n",
           command->name, command->arguments, command->summary);
    for (const struct img_option *o = command->options;
         o->letter || o->name || o->help; o++)
        print_option(o);
    puts("  -h, --help                  this text");
    print_formats();
    return 0;
}

/* ---- options ---- */

static int set_option(const struct img_option *o, const char *text)
{
    int32_t rc = 0;

    switch (o->kind) {
    case IMG_FLAG:
        *(gboolean *)o->value = TRUE;
        break;
    case IMG_TEXT:
        *(const char **)o->value = text;
        break;
    case IMG_LIST: {
        GPtrArray **list = o->value;

        if (!*list)
            *list = g_ptr_array_new();
        g_ptr_array_add(*list, (gpointer)(uintptr_t)text);
        break;
    }
    case IMG_SIZE:
        rc = img_parse_size(text, o->value);
        break;
    case IMG_NUMBER:
        rc = tn_parse_uint(text, o->value);
        break;
    case IMG_HEADING:
        break;
    }
    if (rc)
        return img_usage("Invalid %s specified: '%s'",
                         o->name ? o->name : o->help, text);
    return 0;
}

struct tables {
    GString *letters;
    GArray *names; /* of struct option, with an empty last one */
};

static void make_tables(const struct img_option *options, struct tables *t)
{
    struct option last = {0};

    t->letters = g_string_new(":h");
    t->names = g_array_new(FALSE, TRUE, sizeof(struct option));
    for (int i = 0; options[i].letter || options[i].name || options[i].help;
         i++) {
        const struct img_option *o = &options[i];
        struct option row = {
            .name = o->name,
            .has_arg = o->argument ? required_argument : no_argument,
            .val = FIRST_LONG + i,
        };

        if (o->letter)
            g_string_append_c(t->letters, (char)o->letter);
        if (o->letter && o->argument)
            g_string_append_c(t->letters, ':');
        if (o->name)
            g_array_append_val(t->names, row);
    }
    last = (struct option){.name = "help", .val = 'h'};
    g_array_append_val(t->names, last);
    last = (struct option){0};
    g_array_append_val(t->names, last);
}

static const struct img_option *find_option(const struct img_option *options,
                                            int value)
{
    if (value >= FIRST_LONG)
        return &options[value - FIRST_LONG];
    for (; options->letter || options->name || options->help; options++)
        if (options->letter == value)
            return options;
    return NULL;
}

/* 0, 1 after a message, -1 after help. */
static int parse(const struct img_command *command, int argc, char **argv)
{
    struct tables t;
    int value, status = 0;

    make_tables(command->options, &t);
    opterr = 0;
    while (!status &&
           (value = getopt_long(argc, argv, t.letters->str,
                                (struct option *)t.names->data, NULL)) != -1) {
        const struct img_option *o = find_option(command->options, value);

        if (value == 'h')
            status = -1;
        else if (value == ':')
            status = img_usage("missing argument for option '%s'",
                               argv[optind - 1]);
        else if (value == '?' || !o)
            status = img_usage("unrecognized option '%s'", argv[optind - 1]);
        else
            status = set_option(o, optarg);
    }
    g_string_free(t.letters, TRUE);
    g_array_unref(t.names);
    return status;
}

/* Words such as "-1G" that are no options go behind a "--". */
static char **protect_sizes(int *argc, char **argv)
{
    char **out = g_new0(char *, (gsize)*argc + 2);
    int n = 0;
    char *last = *argc > 2 ? argv[*argc - 1] : NULL;
    gboolean is_size = last && last[0] == '-' && g_ascii_isdigit(last[1]);

    for (int i = 0; i < *argc - (is_size ? 1 : 0); i++)
        out[n++] = argv[i];
    if (is_size) {
        out[n++] = (char *)(uintptr_t) "--";
        out[n++] = last;
    }
    *argc = n;
    return out;
}

static int run_command(const struct img_command *command, int argc,
                       char **argv)
{
    g_autofree char **words = NULL;
    int status;

    current = command;
    if (command->raw_arguments)
        argv = words = protect_sizes(&argc, argv);
    status = parse(command, argc, argv);
    if (status < 0)
        return command_help(command);
    if (status)
        return command == &img_compare || command == &img_verify ? 2 : status;
    status = command->run(argc - optind, argv + optind);
    if (img.objects)
        g_ptr_array_unref(img.objects);
    img_objects_clear();
    if (img.backing_dirs)
        g_ptr_array_unref(img.backing_dirs);
    if (fflush(stdout) || ferror(stdout))
        return img_fail("writing the output: %s", g_strerror(errno));
    return status;
}

static int unknown_command(const char *name)
{
    g_autofree char *hint = NULL;
    struct tn_nearest nearest;

    tn_nearest_init(&nearest, name);
    for (gsize i = 0; i < G_N_ELEMENTS(commands); i++)
        tn_nearest_offer(&nearest, commands[i]->name);
    hint = tn_nearest_hint(&nearest);
    return img_usage("Command not found: %s%s", name, hint);
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : NULL;

    if (!name)
        return img_usage("Not enough arguments");
    /* Options before the command: only these mean something. */
    while (argc > 2 && (!strcmp(name, "-T") || !strcmp(name, "--trace"))) {
        argc -= 2;
        argv += 2;
        name = argc > 1 ? argv[1] : "--help";
    }
    if (!strcmp(name, "--version") || !strcmp(name, "-V")) {
        printf("tenon-img version %s\n", PACKAGE_VERSION);
        return 0;
    }
    if (!strcmp(name, "--help") || !strcmp(name, "-h") ||
        !strcmp(name, "help")) {
        print_help();
        return 0;
    }
    tn_log_set_level(TN_LOG_WARNING);
    for (gsize i = 0; i < G_N_ELEMENTS(commands); i++)
        if (!strcmp(name, commands[i]->name))
            return run_command(commands[i], argc - 1, argv + 1);
    return unknown_command(name);
}
