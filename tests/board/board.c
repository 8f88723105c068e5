/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The board under test.
 */
#include "tests/board/board.h"

#include <glib/gstdio.h>

#include "core/chr/chr.h"
#include "core/config/config.h"

struct board b;

static void add_plugins(struct tn_registry *registry)
{
    g_autofree char *top =
        g_build_filename(g_getenv("TENON_TOP_BUILDDIR"), "plugins", NULL);
    g_autoptr(GDir) directory = g_dir_open(top, 0, NULL);
    const char *name;

    assert_non_null(directory);
    while ((name = g_dir_read_name(directory))) {
        g_autofree char *so = g_strconcat(name, ".so", NULL);
        g_autofree char *path = g_build_filename(top, name, ".libs", so, NULL);

        if (g_file_test(path, G_FILE_TEST_EXISTS))
            assert_int_equal(tn_registry_add_file(registry, path, NULL), 0);
    }
}

void build_machine(const char *more)
{
    struct tn_diagnostics *diagnostics = tn_diagnostics_new();
    g_autofree char *text = g_strdup_printf(
        "[machine]\nboard = %s/boards/riscv-virt.board\naccel = %s\n"
        "memory = 64M\ncpus = 2\n[char console]\nbackend = null\n"
        "[device flash1]\nimage = %s\n%s\n",
        g_getenv("TENON_TOP_SRCDIR"), b.accel ? b.accel : "interp", b.vars,
        more);
    struct tn_config_source source = {.file = b.file};
    struct tn_error error = TN_ERROR_INIT;

    assert_true(g_file_set_contents(b.file, text, -1, NULL));
    b.desc = tn_config_load(&source, b.registry, diagnostics);
    for (guint i = 0; i < diagnostics->list->len; i++)
        print_message(
            "%s\n",
            ((struct tn_diagnostic *)diagnostics->list->pdata[i])->text);
    tn_diagnostics_free(diagnostics);
    assert_non_null(b.desc);
    b.machine = tn_machine_new(b.desc, NULL, &error);
    if (error.text)
        print_message("%s\n", error.text);
    tn_error_clear(&error);
    assert_non_null(b.machine);
    b.host = &machine_instance(b.machine, "clint")->base.host;
    for (guint i = 0; i < b.machine->instances->len; i++)
        instance_reset(g_ptr_array_index(b.machine->instances, i),
                       TN_RESET_COLD);
}

void free_machine(void)
{
    tn_machine_free(b.machine);
    tn_machine_desc_free(b.desc);
}

int board_setup(void **state)
{
    (void)state;
    tn_chr_register();
    b.directory = g_dir_make_tmp("tenon-board-XXXXXX", NULL);
    b.vars = g_build_filename(b.directory, "vars.fd", NULL);
    b.file = g_build_filename(b.directory, "vm.conf", NULL);
    g_file_set_contents(b.vars, "", 0, NULL);
    b.registry = tn_registry_new();
    add_plugins(b.registry);
    return 0;
}

int board_teardown(void **state)
{
    (void)state;
    g_unlink(b.vars);
    g_unlink(b.file);
    g_rmdir(b.directory);
    g_free(b.vars);
    g_free(b.file);
    g_free(b.directory);
    tn_registry_free(b.registry);
    return 0;
}

uint64_t in(uint64_t address, uint32_t bytes)
{
    uint64_t value = 0;

    assert_int_equal(host_guestmem.io_read(b.host, address, bytes, &value), 0);
    return value;
}

void out(uint64_t address, uint32_t bytes, uint64_t value)
{
    assert_int_equal(host_guestmem.io_write(b.host, address, bytes, value), 0);
}

uint64_t mip(guint cpu)
{
    uint64_t value[8] = {0};
    uint32_t bytes = sizeof value;

    assert_int_equal(b.machine->target.read_reg(
                         b.machine->target_instance->self,
                         b.machine->vcpus.cpus[cpu].cpu, "mip", value, &bytes),
                     0);
    return value[0];
}
