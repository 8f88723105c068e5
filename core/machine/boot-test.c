/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What boots a machine: files, ELF images, the device tree's additions. Files
 * may be anything; damaged ones are refused without a step out of bounds.
 */
#include "core/machine/machine-test.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <libfdt.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "core/machine/boot-file.h"
#include "core/machine/elf-load.h"
#include "core/machine/fdt-tree.h"

/* ---- files ---- */

static char *path;

static void write_file(const void *data, gsize bytes)
{
    assert_true(g_file_set_contents(path, data, (gssize)bytes, NULL));
}

static void write_gzip(const void *data, unsigned bytes)
{
    gzFile file = gzopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(gzwrite(file, data, bytes), (int)bytes);
    gzclose(file);
}

static void files_are_read_and_expanded(void **state)
{
    g_autofree uint8_t *data = g_malloc(3000000);
    uint64_t bytes;
    void *read;

    (void)state;
    for (guint i = 0; i < 3000000; i++)
        data[i] = (uint8_t)(i >> 7);
    write_file(data, 3000000);
    assert_int_equal(boot_file_read(path, 3000000, TRUE, &read, &bytes, NULL),
                     0);
    assert_int_equal(bytes, 3000000);
    assert_memory_equal(read, data, bytes);
    g_free(read);
    assert_int_equal(boot_file_read(path, 2999999, TRUE, &read, &bytes, NULL),
                     -EFBIG);
    write_gzip(data, 3000000);
    assert_int_equal(boot_file_read(path, 3000000, TRUE, &read, &bytes, NULL),
                     0);
    assert_int_equal(bytes, 3000000);
    assert_memory_equal(read, data, bytes);
    g_free(read);
    /* The limit holds for what comes out. */
    assert_int_equal(boot_file_read(path, 2999999, TRUE, &read, &bytes, NULL),
                     -EFBIG);
    assert_int_equal(boot_file_read(path, 3000000, FALSE, &read, &bytes, NULL),
                     0);
    assert_true(bytes < 100000);
    /* Damaged: cut off. */
    write_file(read, bytes / 2);
    g_free(read);
    assert_int_equal(boot_file_read(path, 3000000, TRUE, &read, &bytes, NULL),
                     -EINVAL);
    g_unlink(path);
    assert_int_equal(boot_file_read(path, 3000000, TRUE, &read, &bytes, NULL),
                     -ENOENT);
    write_file("", 0);
    assert_int_equal(boot_file_read(path, 10, TRUE, &read, &bytes, NULL), 0);
    assert_int_equal(bytes, 0);
    g_free(read);
}

/* ---- ELF ---- */

struct small_elf {
    Elf64_Ehdr header;
    Elf64_Phdr segments[2];
    uint8_t content[16];
};

static struct small_elf make_elf(void)
{
    struct small_elf elf = {
        .header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB},
                   .e_machine = EM_RISCV,
                   .e_entry = 0x2004,
                   .e_phoff = offsetof(struct small_elf, segments),
                   .e_phentsize = sizeof(Elf64_Phdr),
                   .e_phnum = 2},
        .segments = {{.p_type = PT_LOAD,
                      .p_offset = offsetof(struct small_elf, content),
                      .p_paddr = 0x2000,
                      .p_filesz = 16,
                      .p_memsz = 32},
                     {.p_type = PT_NOTE, .p_offset = 1ull << 60}},
        .content = "0123456789abcde",
    };

    return elf;
}

static void elf_segments_are_loaded(void **state)
{
    struct fake fake = {.id = "a"};
    struct tn_machine *machine = test_machine(&fake, 1, 1 << 20);
    struct small_elf elf = make_elf();
    struct tn_elf_image image = {.size = sizeof image};
    uint8_t memory[48];

    (void)state;
    memset(memory, 0xee, sizeof memory);
    memory_write(machine, 0x3000, memory, sizeof memory, FALSE);
    assert_int_equal(elf_load(machine, &elf, sizeof elf, 0x1000, &image, NULL),
                     0);
    assert_int_equal(image.entry, 0x3004);
    assert_int_equal(image.low, 0x3000);
    assert_int_equal(image.high, 0x3020);
    assert_int_equal(image.bits, 64);
    assert_int_equal(image.machine, EM_RISCV);
    memory_read(machine, 0x3000, memory, sizeof memory);
    assert_memory_equal(memory, elf.content, 16);
    assert_int_equal(memory[16], 0);
    assert_int_equal(memory[31], 0);
    assert_int_equal(memory[32], 0xee);
    elf.segments[0].p_paddr = 1 << 20;
    assert_int_equal(elf_load(machine, &elf, sizeof elf, 0, &image, NULL),
                     -EFAULT);
    test_end(machine);
}

static void damaged_elf_files_are_refused(void **state)
{
    struct fake fake = {.id = "a"};
    struct tn_machine *machine = test_machine(&fake, 1, 1 << 20);
    struct tn_elf_image image = {.size = sizeof image};
    g_autoptr(GRand) random = g_rand_new_with_seed(3);

    (void)state;
    for (gsize cut = 0; cut < sizeof(struct small_elf); cut++) {
        struct small_elf elf = make_elf();
        g_autofree void *copy = g_memdup2(&elf, cut);

        assert_true(elf_load(machine, copy ? copy : "", cut, 0, &image, NULL) <
                    0);
    }
    for (guint i = 0; i < 50000; i++) {
        struct small_elf elf = make_elf();
        g_autofree uint8_t *copy = g_memdup2(&elf, sizeof elf);

        for (guint j = 0; j <= i % 3; j++)
            copy[g_rand_int_range(random, 4, sizeof elf - 16)] =
                (uint8_t)g_rand_int(random);
        (void)elf_load(machine, copy, sizeof elf, 0, &image, NULL);
    }
    test_end(machine);
}

/* ---- device tree ---- */

static void chosen_is_added(void **state)
{
    struct fdt_node *root = fdt_node_new("");
    g_autoptr(GBytes) tree = NULL;
    const struct tn_boot_chosen chosen = {.size = sizeof chosen,
                                          .bootargs = "quiet",
                                          .initrd_start = 0x1000,
                                          .initrd_end = 0x2000};
    uint32_t cells[2] = {1, 2};
    uint64_t bytes = 0;
    int node, length;
    void *blob;

    (void)state;
    fdt_node_set_u32(fdt_node_child(root, "a"), "x", cells, 2, FALSE);
    fdt_node_set_u32(fdt_node_child(root, "a"), "x", cells + 1, 1, TRUE);
    tree = fdt_node_flatten(root, NULL);
    fdt_node_free(root);
    assert_non_null(tree);
    assert_int_equal(fdt_tree_choose(g_bytes_get_data(tree, NULL),
                                     g_bytes_get_size(tree), &chosen, &blob,
                                     &bytes, NULL),
                     0);
    assert_int_equal(fdt_check_full(blob, bytes), 0);
    node = fdt_path_offset(blob, "/chosen");
    assert_string_equal(fdt_getprop(blob, node, "bootargs", &length), "quiet");
    assert_non_null(fdt_getprop(blob, node, "linux,initrd-end", &length));
    assert_null(fdt_getprop(blob, node, "rng-seed", &length));
    assert_non_null(
        fdt_getprop(blob, fdt_path_offset(blob, "/a"), "x", &length));
    assert_int_equal(length, 8);
    g_free(blob);
    assert_int_equal(
        fdt_tree_choose("nothing", 7, &chosen, &blob, &bytes, NULL), -EINVAL);
}

static int make_path(void **state)
{
    int fd = g_file_open_tmp("tenon-boot-XXXXXX", &path, NULL);

    (void)state;
    return fd < 0 ? -1 : close(fd);
}

static int remove_path(void **state)
{
    (void)state;
    g_unlink(path);
    g_free(path);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_read_and_expanded),
        cmocka_unit_test(elf_segments_are_loaded),
        cmocka_unit_test(damaged_elf_files_are_refused),
        cmocka_unit_test(chosen_is_added),
    };

    return cmocka_run_group_tests(tests, make_path, remove_path);
}
