/* SPDX-License-Identifier: Apache-2.0 */
/* tenon run: start a machine, wait for its end, and tell how it ended by the
 * exit status. */
#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#include <tenon/tree.h>

#include "core/block/disk.h"
#include "core/chr/chr.h"
#include "core/machine/machine.h"
#include "core/net/net.h"
#include "core/util/log.h"
#include "tools/tool.h"

struct run {
    struct tn_machine *machine;
    int signal; /* that ended it, or 0 */
};

static gboolean statistics;

static const GOptionEntry run_options[] = {
    {"statistics", 0, 0, G_OPTION_ARG_NONE, &statistics,
     "Print the accelerator's statistics at the end", NULL},
    {0},
};

/* The terminal as it was before the console made it raw. */
static struct {
    struct termios attributes;
    gboolean known;
    int in_flags, out_flags;
} terminal;

static void save_terminal(void)
{
    terminal.known = tcgetattr(STDIN_FILENO, &terminal.attributes) == 0;
    terminal.in_flags = fcntl(STDIN_FILENO, F_GETFL);
    terminal.out_flags = fcntl(STDOUT_FILENO, F_GETFL);
}

/* Async-signal-safe. */
static void exit_at_once(int number)
{
    if (terminal.known)
        tcsetattr(STDIN_FILENO, TCSANOW, &terminal.attributes);
    if (terminal.in_flags >= 0)
        fcntl(STDIN_FILENO, F_SETFL, terminal.in_flags);
    if (terminal.out_flags >= 0)
        fcntl(STDOUT_FILENO, F_SETFL, terminal.out_flags);
    _exit(EXIT_SIGNAL + number);
}

/* While no main loop runs that could end the machine in order. */
static void catch_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = exit_at_once}, now;

    for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++)
        if (sigaction(numbers[i], NULL, &now) == 0 &&
            now.sa_handler != SIG_IGN)
            sigaction(numbers[i], &action, NULL);
}

/* The first signal ends the machine in order; the second does not wait. */
static gboolean on_signal(struct run *run, int number)
{
    if (run->signal)
        exit_at_once(number);
    run->signal = number;
    tn_machine_request(run->machine, TN_REQUEST_QUIT, 0);
    return G_SOURCE_CONTINUE;
}

static gboolean on_interrupt(gpointer data)
{
    return on_signal(data, SIGINT);
}

static gboolean on_terminate(gpointer data)
{
    return on_signal(data, SIGTERM);
}

static gboolean on_hangup(gpointer data)
{
    return on_signal(data, SIGHUP);
}

static GSource *watch_signal(struct run *run, int number, GSourceFunc handler)
{
    GSource *source = g_unix_signal_source_new(number);

    g_source_set_callback(source, handler, run, NULL);
    g_source_attach(source, tn_machine_context(run->machine));
    return source;
}

static void unwatch_signal(GSource *source)
{
    g_source_destroy(source);
    g_source_unref(source);
}

/* What the end of the machine means to who waits for us. */
static int exit_status(const struct run *run, uint32_t reason, uint32_t detail)
{
    switch (reason) {
    case TN_REQUEST_POWEROFF:
        return EXIT_POWEROFF;
    case TN_REQUEST_RESET:
        tn_info("the guest asked for a reboot");
        return EXIT_REBOOT;
    case TN_REQUEST_FAIL:
        tn_log_printf(TN_LOG_ERROR, "the guest reports failure, code %u",
                      detail);
        return EXIT_GUEST_FAILED;
    case TN_REQUEST_QUIT:
        return run->signal ? EXIT_SIGNAL + run->signal : EXIT_POWEROFF;
    default: /* TN_MACHINE_BROKEN, of which the log has told */
        tn_log_printf(TN_LOG_ERROR, "the machine cannot go on");
        return EXIT_OWN_FAILURE;
    }
}

static int failed(const struct tn_machine_desc *desc,
                  const struct tn_error *error, int32_t code)
{
    tn_status_clear();
    tn_log_printf(TN_LOG_ERROR, "%s: %s", desc->name,
                  tn_error_text(error, code));
    return EXIT_OWN_FAILURE;
}

static void print_statistics(struct tn_machine *machine)
{
    g_autofree char *text = tn_machine_statistics(machine);

    if (statistics && text)
        fprintf(stderr, "%s\n", text);
}

/* machine.dump-dtb */
static void dump_device_tree(const struct run *run,
                             const struct tn_machine_desc *desc)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    g_autoptr(GError) problem = NULL;
    g_autoptr(GBytes) tree = NULL;

    if (!desc->dump_dtb)
        return;
    tree = tn_machine_device_tree(run->machine, &error);
    if (!tree)
        tn_warning("no device tree: %s", tn_error_text(&error, 0));
    else if (!g_file_set_contents(desc->dump_dtb, g_bytes_get_data(tree, NULL),
                                  (gssize)g_bytes_get_size(tree), &problem))
        tn_warning("%s", problem->message);
}

static int serve(struct run *run, const struct tn_machine_desc *desc)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    GSource *signals[] = {watch_signal(run, SIGINT, on_interrupt),
                          watch_signal(run, SIGTERM, on_terminate),
                          watch_signal(run, SIGHUP, on_hangup)};
    uint32_t reason, detail = 0;
    int status;
    int32_t code;

    dump_device_tree(run, desc);
    code = tn_machine_start(run->machine, &error);
    if (code) {
        status = failed(desc, &error, code);
    } else {
        reason = tn_machine_wait(run->machine, &detail);
        status = exit_status(run, reason, detail);
        print_statistics(run->machine);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(signals); i++)
        unwatch_signal(signals[i]);
    catch_signals();
    return status;
}

static int run_machine(const struct tn_machine_desc *desc,
                       struct tn_registry *registry)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct run run = {0};
    int32_t code = 0;
    int status;

    save_terminal();
    catch_signals();
    signal(SIGPIPE, SIG_IGN); /* a console's reader may go, the guest stays */
    tn_chr_register();
    tn_net_register();
    tn_block_register();
    tn_status("%s: loading plugins, firmware and images", desc->name);
    run.machine = tn_machine_new(desc, &code, &error);
    tn_registry_close_directories(registry);
    if (!run.machine)
        return failed(desc, &error, code);
    status = serve(&run, desc);
    tn_machine_free(run.machine);
    return status;
}

static int run(const struct tool *tool, int argc, char **argv)
{
    struct tn_registry *registry;
    struct tn_machine_desc *desc;
    int status = EXIT_USAGE;

    if (argc > 2)
        return tool_usage("one machine file, not %d", argc - 1);
    if (argc < 2 && !tool->settings)
        return tool_usage("which machine? Give a file or --set");
    registry = tool_registry(tool);
    desc = tool_machine(tool, argc > 1 ? argv[1] : NULL, registry);
    if (desc)
        status = run_machine(desc, registry);
    tn_machine_desc_free(desc);
    tn_registry_free(registry);
    return status;
}

const struct command command_run = {
    "run", "[FILE]", "start a machine and wait for its end", run_options, run};
