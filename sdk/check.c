/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tenon-plugin-check FILE...: does a plugin keep to the ABI?
 *
 * A host with next to nothing in it: notes and descriptor must agree, only the
 * entry function may be exported, and every component must get through the
 * orders of life that a host may choose, also where services are missing. Each
 * try is a process of its own, so that a crash or a hang is a finding and not
 * the end. What the plugin does for a guest is not looked at.
 */
#include "sdk/check.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/plugin/loader.h"

#define SECONDS 10u
#define ROUNDS 200
/* What the C library may keep for itself over ROUNDS. */
#define LEAK_BYTES ((gsize)ROUNDS * 4)

static int findings;
static const char *what = ""; /* is tried now */

void check_failed(const char *format, ...)
{
    va_list ap;

    printf("  FAIL %s: ", what);
    va_start(ap, format);
    vprintf(format, ap);
    va_end(ap);
    putchar('\n');
    fflush(stdout);
    findings++;
}

/* ---- tries, each in a process of its own ---- */

static void *create(struct check_host *host)
{
    void *self = NULL;
    int32_t code;

    host->in_create = TRUE;
    code = host->entry->ops.create(&host->host, &self);
    host->in_create = FALSE;
    if (host->called_then)
        check_failed("create() calls the host");
    if (code)
        check_failed("create() returns %d", code);
    else if (!self)
        check_failed("create() gives no instance");
    return code ? NULL : self;
}

/* CODE of a step has to be 0 or a negative errno. */
static gboolean good_code(const char *step, int32_t code)
{
    if (code > 0 || code < -4095)
        check_failed("%s() returns %d, no errno", step, code);
    return code == 0;
}

static int32_t configure(struct check_host *host, void *self)
{
    struct tn_error error = TN_ERROR_INIT;
    int32_t code;

    if (!host->entry->ops.configure)
        return 0;
    host->given = &error;
    code = host->entry->ops.configure(self, &error);
    host->given = NULL;
    if (!good_code("configure", code) && !error.text)
        check_failed("configure() fails without saying why");
    tn_error_clear(&error);
    return code;
}

static void try_create(const struct tn_component_entry *entry)
{
    struct check_host *host = check_host_new(entry);
    void *self = create(host);

    if (self)
        entry->ops.destroy(self);
    check_host_free(host);
}

static void try_two(const struct tn_component_entry *entry)
{
    struct check_host *a = check_host_new(entry), *b = check_host_new(entry);
    void *one = create(a), *two = create(b);

    if (one && one == two)
        check_failed("two instances are one: state is not the instance's own");
    if (one)
        entry->ops.destroy(one);
    if (two && one != two) {
        (void)configure(b, two);
        entry->ops.destroy(two);
    }
    check_host_free(a);
    check_host_free(b);
}

static void try_configure(const struct tn_component_entry *entry)
{
    struct check_host *host = check_host_new(entry);
    void *self = create(host);

    if (self) {
        (void)configure(host, self);
        entry->ops.destroy(self);
    }
    check_host_free(host);
}

/* Log and properties are always there (host.h); every other service may be
 * missing. */
static void try_realize(const struct tn_component_entry *entry)
{
    struct check_host *host = check_host_new(entry);
    struct tn_error error = TN_ERROR_INIT;
    void *self = create(host);
    int32_t code = self ? configure(host, self) : -1;

    if (!code && entry->ops.realize) {
        host->given = &error;
        code = entry->ops.realize(self, &error);
        host->given = NULL;
        if (good_code("realize", code)) {
            if (entry->ops.unrealize)
                entry->ops.unrealize(self);
        } else if (!error.text) {
            check_failed("realize() fails without saying why");
        }
        tn_error_clear(&error);
    }
    if (self)
        entry->ops.destroy(self);
    check_host_free(host);
}

/* What the note says of saving is what the component does. */
static void check_state(const struct tn_component_entry *entry, void *self)
{
    gboolean says = !!(entry->info.flags & TN_COMPONENT_SAVES);
    gboolean does = entry->ops.get_interface(self, "tenon.state/1") != NULL;

    if (entry->info.kind != TN_KIND_DEVICE || says == does)
        return;
    check_failed(says ? "TN_COMPONENT_SAVES is set, and there is no state table"
                      : "it has a state table, and TN_COMPONENT_SAVES is not "
                        "set");
}

static void try_interfaces(const struct tn_component_entry *entry)
{
    static const char *const known[] = {"tenon.state/1", "tenon.fdt.node/1"};
    struct check_host *host = check_host_new(entry);
    void *self = create(host);

    if (self && entry->ops.get_interface) {
        check_state(entry, self);
        if (entry->ops.get_interface(self, "org.example.unknown/1") ||
            entry->ops.get_interface(self, ""))
            check_failed("it has an interface that nobody has defined");
        for (gsize i = 0; i < G_N_ELEMENTS(known); i++)
            if (entry->ops.get_interface(self, known[i]) !=
                entry->ops.get_interface(self, known[i]))
                check_failed("interface %s is another each time", known[i]);
    }
    if (self)
        entry->ops.destroy(self);
    check_host_free(host);
}

static void try_leaks(const struct tn_component_entry *entry)
{
    struct check_host *host = check_host_new(entry);
    gsize before = 0, after;

    for (int i = 0; i < ROUNDS; i++) {
        void *self = create(host);

        if (!self)
            break;
        (void)configure(host, self);
        entry->ops.destroy(self);
        if (i == ROUNDS / 2) /* what is made once, or grows, does not count */
            before = mallinfo2().uordblks;
    }
    after = mallinfo2().uordblks;
    if (before && after > before + LEAK_BYTES)
        check_failed("%d instances leave %zu bytes behind", ROUNDS / 2,
                     after - before);
    check_host_free(host);
}

static const struct {
    const char *name;
    void (*run)(const struct tn_component_entry *entry);
} tries[] = {
    {"create, destroy", try_create},
    {"two instances", try_two},
    {"configure with defaults", try_configure},
    {"realize with few services", try_realize},
    {"interfaces", try_interfaces},
    {"leaks", try_leaks},
};

static void run_apart(const struct tn_component_entry *entry, gsize i)
{
    int status = 0;
    pid_t child;

    what = tries[i].name;
    fflush(stdout);
    child = fork();
    if (child == 0) {
        findings = 0;
        alarm(SECONDS);
        tries[i].run(entry);
        fflush(stdout);
        _exit(findings ? 1 : 0);
    }
    if (child < 0 || waitpid(child, &status, 0) < 0)
        check_failed("cannot be tried: %s", g_strerror(errno));
    else if (WIFSIGNALED(status))
        check_failed("%s", WTERMSIG(status) == SIGALRM
                               ? "hangs"
                               : g_strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) == 1)
        findings++; /* the child has said what */
    else if (WEXITSTATUS(status))
        check_failed("ends the process with status %d", WEXITSTATUS(status));
}

static void check_component(struct tn_component_entry *entry)
{
    struct tn_error error = TN_ERROR_INIT;
    int32_t code;

    printf(" %s %s\n", tn_kind_name(entry->info.kind), entry->info.id);
    what = "load";
    code = tn_component_load(entry, &error);
    if (code)
        check_failed("%s", tn_error_text(&error, code));
    tn_error_clear(&error);
    for (gsize i = 0; !code && i < G_N_ELEMENTS(tries); i++)
        run_apart(entry, i);
}

/* Texts that users would miss. */
static void check_facts(const struct tn_plugin_file *plugin)
{
    what = "notes";
    if (!plugin->info.version[0] || !plugin->info.vendor[0])
        check_failed("no version or no vendor");
    if (!plugin->info.licence[0])
        check_failed("no licence (an SPDX expression)");
    for (guint i = 0; i < plugin->components->len; i++) {
        const struct tn_component_entry *entry = plugin->components->pdata[i];

        if (!entry->info.summary[0])
            check_failed("component '%s' has no summary", entry->info.id);
        if (plugin->third_party && !strchr(entry->info.id, '.'))
            check_failed("component '%s' of a third party has no id in "
                         "reverse-domain form",
                         entry->info.id);
        for (guint j = 0; j < entry->info.n_properties; j++)
            if (!entry->properties[j].doc[0])
                check_failed("property '%s' of '%s' is not documented",
                             entry->properties[j].name, entry->info.id);
    }
}

static void check_file(const char *path)
{
    struct tn_registry *registry = tn_registry_new();
    struct tn_error error = TN_ERROR_INIT;
    int before = findings;
    int32_t code = tn_registry_add_file(registry, path, &error);

    printf("%s\n", path);
    what = "file";
    if (code) {
        check_failed("%s", tn_error_text(&error, code));
    } else {
        struct tn_plugin_file *plugin = tn_registry_plugins(registry)->pdata[0];

        check_facts(plugin);
        what = "symbols";
        check_elf(path);
        for (guint i = 0; i < plugin->components->len; i++)
            check_component(plugin->components->pdata[i]);
    }
    printf("%s: %s\n", path, findings > before ? "does not conform" : "ok");
    tn_error_clear(&error);
    tn_registry_free(registry);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fputs("usage: tenon-plugin-check FILE...\n", stderr);
        return 2;
    }
    for (int i = 1; i < argc; i++)
        check_file(argv[i]);
    return findings ? 1 : 0;
}
