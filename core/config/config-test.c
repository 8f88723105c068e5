/* SPDX-License-Identifier: Apache-2.0 */
/* Machine files: what each mistake is told as, and what a good one makes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#include "core/config/config.h"
#include "core/config/test-components.h"

#define BOARD                                                                  \
    "[board]\n"                                                                \
    "target = toy\n"                                                           \
    "boot = toy-boot\n"                                                        \
    "ram = 0x80000000\n"                                                       \
    "attach.virtio = virtio-pci\n"                                             \
    "default.disk = virtio-blk\n"                                              \
    "[machine]\n"                                                              \
    "accel = fast, slow\n"                                                     \
    "[device plic]\n"                                                          \
    "component = plic\n"                                                       \
    "address = 0xc000000\n"                                                    \
    "[device uart0]\n"                                                         \
    "component = uart\n"                                                       \
    "address = 0x10000000\n"                                                   \
    "irq = plic:10\n"                                                          \
    "chardev = char.console\n"                                                 \
    "[char console]\n"                                                         \
    "backend = stdio\n"                                                        \
    "[device mmio-%]\n"                                                        \
    "component = virtio-mmio\n"                                                \
    "count = 2\n"                                                              \
    "address = 0x10001000 + 0x1000 * %\n"                                      \
    "irq = plic:1 + %\n"                                                       \
    "[device pci]\n"                                                           \
    "component = pci-host\n"

#define MACHINE "[machine]\nboard = toy\n"

static char *directory;

static int enter_directory(void **state)
{
    (void)state;
    directory = g_dir_make_tmp("tenon-config-XXXXXX", NULL);
    assert_non_null(directory);
    assert_int_equal(chdir(directory), 0);
    g_setenv("XDG_CONFIG_HOME", directory, TRUE);
    assert_true(g_file_set_contents("toy.board", BOARD, -1, NULL));
    return 0;
}

static int leave_directory(void **state)
{
    (void)state;
    g_unlink("toy.board");
    g_unlink("other.board");
    g_unlink("vm.conf");
    assert_int_equal(chdir("/"), 0);
    g_rmdir(directory);
    g_free(directory);
    return 0;
}

/* The machine of TEXT (NULL: no file) and SETTINGS, and all messages. */
static struct tn_machine_desc *load(struct tn_registry *registry,
                                    const char *text,
                                    const char *const *settings,
                                    char **messages)
{
    struct tn_diagnostics *diagnostics = tn_diagnostics_new();
    struct tn_config_source source = {text ? "vm.conf" : NULL, settings, NULL};
    GString *all = g_string_new(NULL);
    struct tn_machine_desc *desc;

    if (text)
        assert_true(g_file_set_contents("vm.conf", text, -1, NULL));
    desc = tn_config_load(&source, registry, diagnostics);
    assert_int_equal(desc == NULL, diagnostics->errors != 0);
    for (guint i = 0; i < diagnostics->list->len; i++)
        g_string_append_printf(
            all, "%s\n",
            ((struct tn_diagnostic *)diagnostics->list->pdata[i])->text);
    tn_diagnostics_free(diagnostics);
    *messages = g_string_free(all, FALSE);
    return desc;
}

/* ---- mistakes ---- */

struct mistake {
    const char *name;
    const char *text;
    const char *setting;
    const char *messages;
};

#include "core/config/config-test-mistakes.h"

static void test_mistake(void **state)
{
    const struct mistake *mistake = *state;
    const char *settings[] = {mistake->setting, NULL};
    struct tn_registry *registry = test_registry();
    char *messages;
    struct tn_machine_desc *desc =
        load(registry, mistake->text, settings, &messages);

    assert_string_equal(messages, mistake->messages);
    tn_machine_desc_free(desc);
    tn_registry_free(registry);
    g_free(messages);
}

/* ---- machines ---- */

static struct tn_machine_desc *load_good(struct tn_registry *registry,
                                         const char *text,
                                         const char *const *settings)
{
    char *messages;
    struct tn_machine_desc *desc = load(registry, text, settings, &messages);

    assert_string_equal(messages, "");
    assert_non_null(desc);
    g_free(messages);
    return desc;
}

static void test_board_devices(void **state)
{
    struct tn_registry *registry = test_registry();
    struct tn_machine_desc *desc =
        load_good(registry, MACHINE "cpus = 2\nmemory = 1G\n", NULL);
    struct tn_instance_desc *uart = tn_machine_desc_instance(desc, "uart0");
    struct tn_instance_desc *mmio = tn_machine_desc_instance(desc, "mmio-1");

    (void)state;
    assert_int_equal(desc->cpus, 2);
    assert_true(desc->memory == UINT64_C(1) << 30);
    assert_true(desc->ram_base == 0x80000000);
    assert_string_equal(desc->name, "vm");
    assert_int_equal(desc->accels->len, 2);
    assert_int_equal(uart->n_addresses, 1);
    assert_true(uart->addresses[0] == 0x10000000);
    assert_string_equal(uart->wires[0].controller, "plic");
    assert_int_equal(uart->wires[0].line, 10);
    assert_true(mmio->addresses[0] == 0x10002000);
    assert_int_equal(mmio->wires[0].line, 2);
    tn_machine_desc_free(desc);
    tn_registry_free(registry);
}

static guint position(const struct tn_machine_desc *desc, const char *id)
{
    for (guint i = 0; i < desc->instances->len; i++)
        if (!strcmp(((struct tn_instance_desc *)desc->instances->pdata[i])->id,
                    id))
            return i;
    fail_msg("no instance %s", id);
    return 0;
}

static void test_order_of_creation(void **state)
{
    struct tn_registry *registry = test_registry();
    /* flash0 comes before what it refers to */
    struct tn_machine_desc *desc =
        load_good(registry,
                  MACHINE "[device flash0]\ncomponent = flash\nimage = a\n"
                          "peer = flash1\nirq = ctl:1\n"
                          "[device flash1]\ncomponent = flash\nimage = b\n"
                          "[device ctl]\ncomponent = plic\n"
                          "[disk d]\nimage = x\nparent = mmio-0\n",
                  NULL);

    (void)state;
    assert_int_equal(position(desc, "cpu"), 0);
    assert_int_equal(position(desc, "char.console"), 1);
    assert_true(position(desc, "flash1") < position(desc, "flash0"));
    assert_true(position(desc, "ctl") < position(desc, "flash0"));
    assert_true(position(desc, "plic") < position(desc, "uart0"));
    assert_true(position(desc, "mmio-0") < position(desc, "disk.d"));
    assert_int_equal(position(desc, "boot"), desc->instances->len - 1);
    tn_machine_desc_free(desc);
    tn_registry_free(registry);
}

static void test_buses_fill_and_adapters_follow(void **state)
{
    struct tn_registry *registry = test_registry();
    struct tn_machine_desc *desc =
        load_good(registry,
                  MACHINE "[disk a]\nimage = a\n[disk b]\nimage = b\n"
                          "[disk c]\nimage = c\n[disk d]\nimage = d\n",
                  NULL);
    struct tn_instance_desc *a = tn_machine_desc_instance(desc, "disk.a");
    struct tn_instance_desc *b = tn_machine_desc_instance(desc, "disk.b");
    struct tn_instance_desc *c = tn_machine_desc_instance(desc, "disk.c");
    struct tn_instance_desc *d = tn_machine_desc_instance(desc, "disk.d");

    (void)state;
    assert_string_equal(a->parent->id, "mmio-0");
    assert_string_equal(b->parent->id, "mmio-1");
    assert_string_equal(c->parent->id, "disk-c-virtio-pci");
    assert_string_equal(c->parent->parent->id, "pci");
    assert_int_equal(c->parent->slot, 1);
    assert_int_equal(d->parent->slot, 2);
    tn_machine_desc_free(desc);
    tn_registry_free(registry);
}

static void test_written_parent_is_kept_free(void **state)
{
    struct tn_registry *registry = test_registry();
    struct tn_machine_desc *desc = load_good(
        registry,
        MACHINE "[disk a]\nimage = a\n[disk b]\nimage = b\nparent = mmio-0\n",
        NULL);

    (void)state;
    assert_string_equal(tn_machine_desc_instance(desc, "disk.a")->parent->id,
                        "mmio-1");
    tn_machine_desc_free(desc);
    tn_registry_free(registry);
}

static void test_attach_asks_for_an_adapter(void **state)
{
    struct tn_registry *registry = test_registry();
    struct tn_machine_desc *desc = load_good(
        registry, MACHINE "[disk a]\nimage = a\nattach = virtio-pci\n", NULL);

    (void)state;
    assert_string_equal(tn_machine_desc_instance(desc, "disk.a")->parent->id,
                        "disk-a-virtio-pci");
    tn_machine_desc_free(desc);
    tn_registry_free(registry);
}

static const struct tn_value *value_of(const struct tn_machine_desc *desc,
                                       const char *id, const char *name)
{
    const struct tn_value *value =
        tn_instance_value(tn_machine_desc_instance(desc, id), name);

    assert_non_null(value);
    return value;
}

static void test_section_splits_into_device_and_backend(void **state)
{
    struct tn_registry *registry = test_registry();
    struct tn_machine_desc *desc =
        load_good(registry,
                  MACHINE "[net lan]\nbackend = user\ndevice = virtio-net\n"
                          "forward = tcp:2222:22, tcp:80:80\nqueues = 4\n"
                          "backend.queues = 2\nmac = 52:54:00:12:34:56\n",
                  NULL);

    (void)state;
    assert_int_equal(value_of(desc, "net.lan.backend", "forward")->n_items, 2);
    assert_true(value_of(desc, "net.lan", "queues")->items[0].number == 4);
    assert_true(value_of(desc, "net.lan.backend", "queues")->items[0].number ==
                2);
    assert_true(value_of(desc, "net.lan", "mac")->items[0].number ==
                UINT64_C(0x525400123456));
    assert_string_equal(value_of(desc, "net.lan", "netdev")->text,
                        "net.lan.backend");
    assert_string_equal(tn_machine_desc_instance(desc, "net.lan")->backend,
                        "net.lan.backend");
    tn_machine_desc_free(desc);
    tn_registry_free(registry);
}

static void test_disk_has_a_block_node(void **state)
{
    struct tn_registry *registry = test_registry();
    struct tn_machine_desc *desc =
        load_good(registry,
                  MACHINE "[disk root]\nimage = sub/x.qcow2\nformat = qcow2\n"
                          "cluster = 1M\nreadonly = yes\n"
                          "device.readonly = no\nserial = abc\n",
                  NULL);
    struct tn_block_desc *block = tn_machine_desc_block(desc, "disk.root");
    g_autofree char *path = g_build_filename(directory, "sub/x.qcow2", NULL);

    (void)state;
    assert_non_null(block);
    assert_string_equal(tn_block_value(block, "image")->text, path);
    assert_true(tn_block_value(block, "readonly")->items[0].number == 1);
    assert_true(block->format_values[0].items[0].number == 1 << 20);
    assert_true(value_of(desc, "disk.root", "readonly")->items[0].number == 0);
    assert_string_equal(value_of(desc, "disk.root", "disk")->text, "disk.root");
    tn_machine_desc_free(desc);
    tn_registry_free(registry);
}

static void test_uri_is_no_file_name(void **state)
{
    struct tn_registry *registry = test_registry();
    struct tn_machine_desc *desc = load_good(
        registry, MACHINE "[disk root]\nimage = nbd://host/x\n", NULL);

    (void)state;
    assert_string_equal(
        tn_block_value(tn_machine_desc_block(desc, "disk.root"), "image")->text,
        "nbd://host/x");
    tn_machine_desc_free(desc);
    tn_registry_free(registry);
}

static void test_machine_wholly_from_settings(void **state)
{
    static const char *const settings[] = {
        "machine.board=toy",       "machine.cpus=4",
        "disk.root.image=x",       "uart0.chardev=",
        "device.pci.slots=8",      "machine.kernel=vmlinuz",
        "machine.cmdline=a=b # c", "machine.cpu=large",
        "mmio-1.enabled=no",       NULL};
    struct tn_registry *registry = test_registry();
    struct tn_machine_desc *desc = load_good(registry, NULL, settings);

    (void)state;
    assert_int_equal(desc->cpus, 4);
    assert_string_equal(desc->name, "machine");
    assert_null(value_of(desc, "uart0", "chardev")->text);
    assert_string_equal(value_of(desc, "boot", "cmdline")->text, "a=b # c");
    assert_true(value_of(desc, "cpu", "model")->items[0].number == 1);
    assert_null(tn_machine_desc_instance(desc, "mmio-1"));
    tn_machine_desc_free(desc);
    tn_registry_free(registry);
}

static void test_machine_file_goes_over_the_board(void **state)
{
    static const char *const settings[] = {"mmio-1.address=0x77", NULL};
    struct tn_registry *registry = test_registry();
    struct tn_machine_desc *desc = load_good(
        registry, MACHINE "[device mmio-0]\naddress = 0x55\n", settings);

    (void)state;
    assert_true(tn_machine_desc_instance(desc, "mmio-0")->addresses[0] == 0x55);
    assert_true(tn_machine_desc_instance(desc, "mmio-1")->addresses[0] == 0x77);
    tn_machine_desc_free(desc);
    tn_registry_free(registry);
}

static void test_board_on_a_board(void **state)
{
    struct tn_registry *registry = test_registry();
    struct tn_machine_desc *desc;

    (void)state;
    assert_true(g_file_set_contents(
        "other.board", "[board]\nbase = toy\nram = 4K\n", -1, NULL));
    desc = load_good(registry, "[machine]\nboard = other\n", NULL);
    assert_true(desc->ram_base == 4096);
    assert_non_null(tn_machine_desc_instance(desc, "uart0"));
    tn_machine_desc_free(desc);
    tn_registry_free(registry);
}

/* One section for each choice, one that adds to a section of all. */
static void test_board_with_options(void **state)
{
    static const struct {
        const char *more, *setting;
        uint64_t ram;
        gboolean second;
    } rows[] = {{"", NULL, 4096, FALSE},
                {"size = small\n", NULL, 4096, FALSE},
                {"size = large\n", NULL, 8192, TRUE},
                {"", "machine.size=huge", 8192, FALSE},
                {"size = small\n", "machine.size=large", 8192, TRUE}};
    struct tn_registry *registry = test_registry();

    (void)state;
    assert_true(g_file_set_contents(
        "options.board",
        "[board]\nbase = toy\noption.size = small | large | huge\n"
        "ram = 4K\n"
        "[board if size=large|huge]\nram = 8K\n"
        "[device second if size = large]\ncomponent = uart\n"
        "chardev = char.console\n",
        -1, NULL));
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *text =
            g_strconcat("[machine]\nboard = options\n", rows[i].more, NULL);
        const char *settings[] = {rows[i].setting, NULL};
        struct tn_machine_desc *desc = load_good(registry, text, settings);

        assert_true(desc->ram_base == rows[i].ram);
        assert_int_equal(tn_machine_desc_instance(desc, "second") != NULL,
                         rows[i].second);
        tn_machine_desc_free(desc);
    }
    tn_registry_free(registry);
}

static void test_char_with_a_device(void **state)
{
    struct tn_registry *registry = test_registry();
    struct tn_machine_desc *desc =
        load_good(registry,
                  MACHINE "[char second]\nbackend = stdio\ndevice = uart\n"
                          "escape = x\nirq = , cpu0:mei\n",
                  NULL);
    struct tn_instance_desc *device =
        tn_machine_desc_instance(desc, "char.second.device");

    (void)state;
    assert_string_equal(device->backend, "char.second");
    assert_int_equal(device->n_wires, 1);
    assert_int_equal(device->wires[0].output, 1);
    assert_null(device->wires[0].controller);
    assert_string_equal(device->wires[0].line_name, "mei");
    tn_machine_desc_free(desc);
    tn_registry_free(registry);
}

static void test_accel_properties(void **state)
{
    struct tn_registry *registry = test_registry();
    struct tn_machine_desc *desc = load_good(
        registry,
        MACHINE "[accel]\njit = no\nverify = yes\n[accel slow]\nverify = no\n",
        NULL);

    (void)state;
    assert_true(
        tn_instance_value(desc->accels->pdata[0], "jit")->items[0].number == 0);
    assert_true(
        tn_instance_value(desc->accels->pdata[1], "verify")->items[0].number ==
        0);
    tn_machine_desc_free(desc);
    tn_registry_free(registry);
}

/* ---- dump ---- */

#define EVERYTHING                                                             \
    MACHINE "cpus = 2\nkernel = vmlinuz\n"                                     \
            "cmdline = a\\\\b \\# no comment  # a comment\n"                   \
            "[accel slow]\nverify = yes\n"                                     \
            "[disk a]\nimage = a\nformat = qcow2\ncluster = 4K\n"              \
            "device.readonly = yes\nreadonly = yes\niothread = io1\n"          \
            "[disk b]\nimage = nbd://x/y\n[disk c]\nimage = c\n"               \
            "timeout = 20ms\n"                                                 \
            "[net lan]\nbackend = user\ndevice = virtio-net\nslot = 0\n"       \
            "backend.queues = 3\nforward = a, b\n"                             \
            "[char second]\nbackend = stdio\ndevice = uart\nescape = \\sx\n"   \
            "irq = , cpu1:mei, , plic:7\naddress = 0x1, 0x2\n"

static void test_dump_is_a_machine_file(void **state)
{
    struct tn_registry *registry = test_registry();
    struct tn_machine_desc *desc = load_good(registry, EVERYTHING, NULL);
    g_autofree char *first = tn_config_dump(desc, FALSE);
    g_autofree char *with_defaults = tn_config_dump(desc, TRUE);
    struct tn_machine_desc *again = load_good(registry, first, NULL);
    g_autofree char *second = tn_config_dump(again, FALSE);
    struct tn_machine_desc *third = load_good(registry, with_defaults, NULL);
    g_autofree char *third_text = tn_config_dump(third, FALSE);

    (void)state;
    assert_string_equal(first, second);
    assert_string_equal(first, third_text);
    assert_non_null(strstr(with_defaults, "\n# sources = 96\n"));
    assert_int_equal(desc->instances->len, again->instances->len);
    for (guint i = 0; i < desc->instances->len; i++)
        assert_string_equal(
            ((struct tn_instance_desc *)desc->instances->pdata[i])->id,
            ((struct tn_instance_desc *)again->instances->pdata[i])->id);
    assert_string_equal(value_of(again, "boot", "cmdline")->text,
                        "a\\b # no comment");
    assert_string_equal(value_of(again, "char.second", "escape")->text, " x");
    assert_int_equal(
        tn_machine_desc_instance(again, "char.second.device")->n_wires, 2);
    tn_machine_desc_free(desc);
    tn_machine_desc_free(again);
    tn_machine_desc_free(third);
    tn_registry_free(registry);
}

int main(void)
{
    static const struct CMUnitTest machines[] = {
        cmocka_unit_test(test_board_devices),
        cmocka_unit_test(test_order_of_creation),
        cmocka_unit_test(test_buses_fill_and_adapters_follow),
        cmocka_unit_test(test_written_parent_is_kept_free),
        cmocka_unit_test(test_attach_asks_for_an_adapter),
        cmocka_unit_test(test_section_splits_into_device_and_backend),
        cmocka_unit_test(test_disk_has_a_block_node),
        cmocka_unit_test(test_uri_is_no_file_name),
        cmocka_unit_test(test_machine_wholly_from_settings),
        cmocka_unit_test(test_machine_file_goes_over_the_board),
        cmocka_unit_test(test_board_on_a_board),
        cmocka_unit_test(test_board_with_options),
        cmocka_unit_test(test_char_with_a_device),
        cmocka_unit_test(test_accel_properties),
        cmocka_unit_test(test_dump_is_a_machine_file),
    };
    struct CMUnitTest cases[G_N_ELEMENTS(mistakes)] = {0};
    int failed;

    for (gsize i = 0; i < G_N_ELEMENTS(mistakes); i++) {
        cases[i].name = mistakes[i].name;
        cases[i].test_func = test_mistake;
        cases[i].initial_state = (void *)(uintptr_t)&mistakes[i];
    }
    failed = cmocka_run_group_tests(machines, enter_directory, leave_directory);
    failed += cmocka_run_group_tests_name("mistakes", cases, enter_directory,
                                          leave_directory);
    return failed;
}
