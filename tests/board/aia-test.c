/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The board's advanced interrupt architecture: IMSICs by messages and CSRs, the
 * APLIC by its registers and lines, both modes of delivery, saved state.
 */
#include "tests/board/board.h"

#include <string.h>

#define IMSIC_M 0x24000000u
#define IMSIC_S 0x28000000u
#define PAGE 0x1000u
#define BE 4u
#define APLIC_M 0x0c000000u
#define APLIC_S 0x0d000000u
#define RAM 0x80000000u

#define DIRECT "[machine]\naia = aplic\n"
#define MESSAGES "[machine]\naia = aplic-imsic\n"

#define SEIP (1u << 9)
#define MEIP (1u << 11)

/* APLIC registers and source modes */
#define DOMAINCFG 0x0000u
#define SOURCE(n) (4u * (n))
#define MMSI 0x1bc0u
#define MMSIH 0x1bc4u
#define SMSI 0x1bc8u
#define SMSIH 0x1bccu
#define SETIP 0x1c00u
#define SETIPNUM 0x1cdcu
#define IN_CLRIP 0x1d00u
#define CLRIPNUM 0x1ddcu
#define SETIE 0x1e00u
#define SETIENUM 0x1edcu
#define CLRIENUM 0x1fdcu
#define GENMSI 0x3000u
#define TARGET(n) (0x3000u + 4u * (n))
#define IDC(hart) (0x4000u + 32u * (hart))
#define ITHRESHOLD 0x08u
#define TOPI 0x18u
#define CLAIMI 0x1cu
#define IE 0x100u
#define DM 4u
#define DELEGATE 0x400u
enum { INACTIVE, DETACHED, EDGE1 = 4, EDGE0, LEVEL1, LEVEL0 };

static uint64_t csr(guint cpu, const char *name)
{
    uint64_t value[8] = {0};
    uint32_t bytes = sizeof value;

    assert_int_equal(b.machine->target.read_reg(
                         b.machine->target_instance->self,
                         b.machine->vcpus.cpus[cpu].cpu, name, value, &bytes),
                     0);
    return value[0];
}

static void set_csr(guint cpu, const char *name, uint64_t value)
{
    assert_int_equal(b.machine->target.write_reg(
                         b.machine->target_instance->self,
                         b.machine->vcpus.cpus[cpu].cpu, name, &value,
                         b.machine->vcpus.info->address_bits / 8),
                     0);
}

/* A register of a file: FILE 's' or 'm'. */
static uint64_t file_get(guint cpu, char file, uint32_t number)
{
    set_csr(cpu, file == 's' ? "siselect" : "miselect", number);
    return csr(cpu, file == 's' ? "sireg" : "mireg");
}

static void file_set(guint cpu, char file, uint32_t number, uint64_t value)
{
    set_csr(cpu, file == 's' ? "siselect" : "miselect", number);
    set_csr(cpu, file == 's' ? "sireg" : "mireg", value);
}

static void open_file(guint cpu, char file)
{
    for (uint32_t i = 0xc0; i < 0xc8; i += 2)
        file_set(cpu, file, i, UINT64_MAX);
    file_set(cpu, file, 0x70, 1);
}

static uint64_t top(uint32_t id)
{
    return id << 16 | id;
}

/* ---- IMSIC ---- */

static void a_message_interrupts_its_hart(void **state)
{
    (void)state;
    build_machine(MESSAGES);
    out(IMSIC_S + PAGE, 4, 5);
    assert_int_equal(file_get(1, 's', 0x80), 1u << 5);
    assert_int_equal(csr(1, "stopei"), 0); /* not enabled */
    open_file(1, 's');
    assert_int_equal(csr(1, "stopei"), top(5));
    assert_int_equal(mip(1), SEIP);
    assert_int_equal(mip(0), 0);
    out(IMSIC_S + PAGE, 4, 3);
    assert_int_equal(csr(1, "stopei"), top(3));
    set_csr(1, "stopei", 0);
    assert_int_equal(csr(1, "stopei"), top(5));
    set_csr(1, "stopei", 77);
    assert_int_equal(csr(1, "stopei"), 0);
    assert_int_equal(mip(1), 0);
    set_csr(1, "stopei", 0); /* nothing to claim */
    free_machine();
}

static void levels_have_files_of_their_own(void **state)
{
    (void)state;
    build_machine(MESSAGES);
    open_file(0, 's');
    open_file(0, 'm');
    out(IMSIC_M, 4, 200);
    assert_int_equal(mip(0), MEIP);
    assert_int_equal(csr(0, "mtopei"), top(200));
    assert_int_equal(csr(0, "stopei"), 0);
    set_csr(0, "mtopei", 0);
    assert_int_equal(mip(0), 0);
    free_machine();
}

static void only_identities_are_taken(void **state)
{
    static const uint32_t wrong[] = {0, 256, 2047, 0xffffffff, 5u << 24};

    (void)state;
    build_machine(MESSAGES);
    open_file(0, 's');
    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++)
        out(IMSIC_S, 4, wrong[i]);
    out(IMSIC_S + 8, 4, 9);
    assert_int_equal(csr(0, "stopei"), 0);
    out(IMSIC_S + BE, 4, 5u << 24);
    assert_int_equal(csr(0, "stopei"), top(5));
    out(IMSIC_S, 4, 255);
    assert_int_equal(file_get(0, 's', 0x86), 1ull << 63);
    assert_int_equal(in(IMSIC_S, 4), 0);
    assert_int_equal(in(IMSIC_S + BE, 4), 0);
    free_machine();
}

static void delivery_and_threshold_hold_back(void **state)
{
    (void)state;
    build_machine(MESSAGES);
    open_file(0, 's');
    out(IMSIC_S, 4, 10);
    file_set(0, 's', 0x70, 0);
    assert_int_equal(mip(0), 0);
    assert_int_equal(csr(0, "stopei"), top(10));
    file_set(0, 's', 0x70, 0x40000000); /* not supported: 0 */
    assert_int_equal(file_get(0, 's', 0x70), 0);
    file_set(0, 's', 0x70, 1);
    assert_int_equal(mip(0), SEIP);
    file_set(0, 's', 0x72, 10);
    assert_int_equal(mip(0), 0);
    assert_int_equal(csr(0, "stopei"), 0);
    file_set(0, 's', 0x72, 11);
    assert_int_equal(mip(0), SEIP);
    file_set(0, 's', 0xc0, UINT64_MAX & ~(1ull << 10));
    assert_int_equal(mip(0), 0);
    free_machine();
}

static void bit_arrays_have_no_identity_0(void **state)
{
    (void)state;
    build_machine(MESSAGES);
    file_set(0, 's', 0xc0, UINT64_MAX);
    file_set(0, 's', 0x80, UINT64_MAX);
    assert_int_equal(file_get(0, 's', 0xc0), ~1ull);
    assert_int_equal(file_get(0, 's', 0x80), ~1ull);
    file_set(0, 's', 0xfe, UINT64_MAX); /* not implemented */
    assert_int_equal(file_get(0, 's', 0xfe), 0);
    file_set(0, 's', 0x71, 1); /* reserved */
    assert_int_equal(file_get(0, 's', 0x71), 0);
    free_machine();
}

static void rv32_has_halves(void **state)
{
    (void)state;
    build_machine(MESSAGES "cpu = rv32\n");
    out(IMSIC_S, 4, 40);
    assert_int_equal(file_get(0, 's', 0x80), 0);
    assert_int_equal(file_get(0, 's', 0x81), 1u << 8);
    file_set(0, 's', 0xc1, 1u << 8);
    file_set(0, 's', 0x70, 1);
    assert_int_equal(csr(0, "stopei"), top(40));
    assert_int_equal(mip(0), SEIP);
    free_machine();
}

/* ---- APLIC: sources ---- */

static struct tn_irq *line(uint32_t source)
{
    struct tn_irq *irq = host_irqs.wire(b.host, "aplic", source);

    assert_non_null(irq);
    return irq;
}

static void set(struct tn_irq *irq, uint32_t level)
{
    host_irqs.set(b.host, irq, level);
}

static uint32_t pending(uint32_t domain, uint32_t source)
{
    return in(domain + SETIP + source / 32 * 4, 4) >> source % 32 & 1;
}

/* SOURCE goes to hart HART's S mode with PRIORITY. */
static void supervise(uint32_t source, uint32_t mode, uint32_t hart,
                      uint32_t priority)
{
    out(APLIC_M + SOURCE(source), 4, DELEGATE);
    out(APLIC_S + SOURCE(source), 4, mode);
    out(APLIC_S + TARGET(source), 4, hart << 18 | priority);
    out(APLIC_S + SETIENUM, 4, source);
    out(APLIC_S + IDC(hart), 4, 1);
    out(APLIC_S + DOMAINCFG, 4, IE);
}

static void harts_claim_by_priority(void **state)
{
    struct tn_irq *forty, *fifty;

    (void)state;
    build_machine(DIRECT);
    assert_int_equal(in(APLIC_M + DOMAINCFG, 4), 0x80000000);
    forty = line(40);
    fifty = line(50);
    supervise(40, LEVEL1, 1, 7);
    supervise(50, LEVEL1, 1, 3);
    set(forty, 1);
    assert_int_equal(mip(1), SEIP);
    assert_int_equal(mip(0), 0);
    set(fifty, 1);
    assert_int_equal(in(APLIC_S + IDC(1) + TOPI, 4), 50 << 16 | 3);
    assert_int_equal(in(APLIC_S + IDC(1) + CLAIMI, 4), 50 << 16 | 3);
    /* A level's claim does not clear it. */
    assert_int_equal(in(APLIC_S + IDC(1) + CLAIMI, 4), 50 << 16 | 3);
    set(fifty, 0);
    assert_int_equal(in(APLIC_S + IDC(1) + TOPI, 4), 40 << 16 | 7);
    out(APLIC_S + IDC(1) + ITHRESHOLD, 4, 7);
    assert_int_equal(mip(1), 0);
    out(APLIC_S + IDC(1) + ITHRESHOLD, 4, 8);
    assert_int_equal(mip(1), SEIP);
    out(APLIC_S + CLRIENUM, 4, 40);
    assert_int_equal(mip(1), 0);
    out(APLIC_S + SETIENUM, 4, 40);
    out(APLIC_S + DOMAINCFG, 4, 0);
    assert_int_equal(mip(1), 0);
    assert_int_equal(in(APLIC_S + IDC(1) + TOPI, 4), 40 << 16 | 7);
    out(APLIC_S + DOMAINCFG, 4, IE);
    set(forty, 0);
    assert_int_equal(mip(1), 0);
    free_machine();
}

static void the_root_delivers_to_machine_mode(void **state)
{
    struct tn_irq *irq;

    (void)state;
    build_machine(DIRECT);
    irq = line(60);
    out(APLIC_M + SOURCE(60), 4, LEVEL0);
    out(APLIC_M + TARGET(60), 4, 0); /* priority 0 is 1 */
    out(APLIC_M + SETIENUM, 4, 60);
    out(APLIC_M + IDC(0), 4, 1);
    out(APLIC_M + DOMAINCFG, 4, IE);
    assert_int_equal(mip(0), MEIP);
    assert_int_equal(in(APLIC_M + IDC(0) + TOPI, 4), 60 << 16 | 1);
    assert_int_equal(in(APLIC_M + IN_CLRIP + 4, 4), 1u << 28);
    set(irq, 1);
    assert_int_equal(mip(0), 0);
    free_machine();
}

static void edges_are_remembered(void **state)
{
    struct tn_irq *irq;

    (void)state;
    build_machine(DIRECT);
    irq = line(33);
    supervise(33, EDGE1, 0, 1);
    set(irq, 1);
    set(irq, 0);
    assert_int_equal(mip(0), SEIP);
    assert_int_equal(in(APLIC_S + IDC(0) + CLAIMI, 4), 33 << 16 | 1);
    assert_int_equal(mip(0), 0);
    set(irq, 1);
    out(APLIC_S + CLRIPNUM, 4, 33);
    assert_int_equal(mip(0), 0);
    out(APLIC_S + SOURCE(33), 4, EDGE0);
    assert_int_equal(pending(APLIC_S, 33), 0);
    set(irq, 0);
    assert_int_equal(pending(APLIC_S, 33), 1);
    out(APLIC_S + SOURCE(33), 4, DETACHED);
    out(APLIC_S + IN_CLRIP + 4, 4, 2);
    set(irq, 1);
    assert_int_equal(pending(APLIC_S, 33), 0);
    out(APLIC_S + SETIP + 4, 4, 2);
    assert_int_equal(pending(APLIC_S, 33), 1);
    free_machine();
}

static void a_level_is_what_its_line_is(void **state)
{
    struct tn_irq *irq;

    (void)state;
    build_machine(DIRECT);
    irq = line(33);
    supervise(33, LEVEL1, 0, 1);
    out(APLIC_S + SETIPNUM, 4, 33);
    assert_int_equal(pending(APLIC_S, 33), 0);
    set(irq, 1);
    out(APLIC_S + CLRIPNUM, 4, 33);
    assert_int_equal(pending(APLIC_S, 33), 1);
    free_machine();
}

static void sources_belong_to_one_domain(void **state)
{
    (void)state;
    build_machine(DIRECT);
    out(APLIC_S + SOURCE(20), 4, LEVEL1); /* not delegated */
    assert_int_equal(in(APLIC_S + SOURCE(20), 4), 0);
    supervise(20, LEVEL0, 0, 1);
    assert_int_equal(in(APLIC_M + SOURCE(20), 4), DELEGATE);
    assert_int_equal(mip(0), SEIP);
    out(APLIC_M + SETIENUM, 4, 20);
    out(APLIC_M + TARGET(20), 4, 5);
    assert_int_equal(in(APLIC_M + SETIE, 4), 0);
    assert_int_equal(in(APLIC_M + TARGET(20), 4), 0);
    /* The leaf has no child. */
    out(APLIC_S + SOURCE(20), 4, DELEGATE);
    assert_int_equal(in(APLIC_S + SOURCE(20), 4), 0);
    assert_int_equal(mip(0), 0);
    supervise(20, LEVEL0, 0, 1);
    out(APLIC_M + SOURCE(20), 4, DETACHED); /* taken back */
    assert_int_equal(in(APLIC_S + SOURCE(20), 4), 0);
    assert_int_equal(in(APLIC_S + SETIE, 4), 0);
    assert_int_equal(pending(APLIC_S, 20), 0);
    assert_int_equal(mip(0), 0);
    /* Sources that are not there. */
    out(APLIC_M + SOURCE(97), 4, LEVEL1);
    assert_int_equal(in(APLIC_M + SOURCE(97), 4), 0);
    out(APLIC_M + SOURCE(96), 4, 2); /* reserved mode */
    assert_int_equal(in(APLIC_M + SOURCE(96), 4), 0);
    free_machine();
}

static void a_forced_interrupt_is_spurious(void **state)
{
    (void)state;
    build_machine(DIRECT);
    out(APLIC_S + IDC(1) + 4, 4, 1);
    assert_int_equal(mip(1), 0);
    out(APLIC_S + IDC(1), 4, 1);
    out(APLIC_S + DOMAINCFG, 4, IE);
    assert_int_equal(mip(1), SEIP);
    assert_int_equal(in(APLIC_S + IDC(1) + CLAIMI, 4), 0);
    assert_int_equal(mip(1), 0);
    free_machine();
}

/* ---- APLIC: messages ---- */

static void address_messages(void)
{
    out(APLIC_M + MMSI, 4, IMSIC_M >> 12);
    out(APLIC_M + MMSIH, 4, 1u << 12); /* LHXW 1: two harts */
    out(APLIC_M + SMSI, 4, IMSIC_S >> 12);
    out(APLIC_M + SMSIH, 4, 0);
}

static void forward(uint32_t source, uint32_t mode, uint32_t target)
{
    out(APLIC_M + SOURCE(source), 4, DELEGATE);
    out(APLIC_S + DOMAINCFG, 4, IE | DM);
    out(APLIC_S + SOURCE(source), 4, mode);
    out(APLIC_S + TARGET(source), 4, target);
    out(APLIC_S + SETIENUM, 4, source);
}

static void a_level_is_forwarded_once(void **state)
{
    struct tn_irq *irq;

    (void)state;
    build_machine(MESSAGES);
    address_messages();
    open_file(1, 's');
    irq = line(40);
    forward(40, LEVEL1, 1u << 18 | 77);
    set(irq, 1);
    assert_int_equal(mip(1), SEIP);
    assert_int_equal(csr(1, "stopei"), top(77));
    assert_int_equal(pending(APLIC_S, 40), 0);
    set_csr(1, "stopei", 0);
    assert_int_equal(mip(1), 0);
    /* Still asserted: asked for again. */
    out(APLIC_S + SETIPNUM, 4, 40);
    assert_int_equal(csr(1, "stopei"), top(77));
    set_csr(1, "stopei", 0);
    set(irq, 0);
    out(APLIC_S + SETIPNUM, 4, 40);
    assert_int_equal(csr(1, "stopei"), 0);
    set(irq, 1);
    assert_int_equal(csr(1, "stopei"), top(77));
    free_machine();
}

static void what_is_held_back_is_sent_later(void **state)
{
    (void)state;
    build_machine(MESSAGES);
    address_messages();
    open_file(0, 's');
    forward(41, DETACHED, 9);
    out(APLIC_S + DOMAINCFG, 4, DM);
    out(APLIC_S + SETIPNUM, 4, 41);
    assert_int_equal(pending(APLIC_S, 41), 1);
    assert_int_equal(csr(0, "stopei"), 0);
    out(APLIC_S + DOMAINCFG, 4, DM | IE);
    assert_int_equal(pending(APLIC_S, 41), 0);
    assert_int_equal(csr(0, "stopei"), top(9));
    free_machine();
}

static void a_message_can_be_asked_for(void **state)
{
    (void)state;
    build_machine(MESSAGES);
    address_messages();
    open_file(1, 's');
    open_file(1, 'm');
    out(APLIC_S + GENMSI, 4, 1u << 18 | 12); /* direct mode: nothing */
    assert_int_equal(csr(1, "stopei"), 0);
    out(APLIC_S + DOMAINCFG, 4, DM);
    out(APLIC_S + GENMSI, 4, 1u << 18 | 12);
    assert_int_equal(csr(1, "stopei"), top(12));
    assert_int_equal(in(APLIC_S + GENMSI, 4), 0);
    out(APLIC_M + DOMAINCFG, 4, DM);
    out(APLIC_M + GENMSI, 4, 1u << 18 | 13);
    assert_int_equal(csr(1, "mtopei"), top(13));
    out(APLIC_M + GENMSI, 4, 9u << 18 | 14); /* no such hart */
    assert_int_equal(csr(1, "mtopei"), top(13));
    free_machine();
}

static void addresses_are_locked(void **state)
{
    (void)state;
    build_machine(MESSAGES);
    out(APLIC_S + SMSI, 4, 5); /* the root's alone */
    assert_int_equal(in(APLIC_M + SMSI, 4), 0);
    assert_int_equal(in(APLIC_S + SMSI, 4), 0);
    out(APLIC_M + SMSI, 4, 5);
    out(APLIC_M + MMSIH, 4, 0xffffffff);
    assert_int_equal(in(APLIC_M + MMSIH, 4), 0x9f77ffff);
    out(APLIC_M + SMSI, 4, 6);
    out(APLIC_M + MMSIH, 4, 0);
    assert_int_equal(in(APLIC_M + SMSI, 4), 5);
    assert_int_equal(in(APLIC_M + MMSIH, 4), 0x9f77ffff);
    free_machine();
}

/* A message goes where the guest's firmware says: into the APLIC itself, into
 * memory, nowhere. */
static void strange_addresses_are_harmless(void **state)
{
    uint32_t word = 0;

    (void)state;
    build_machine(MESSAGES);
    out(APLIC_M + SMSI, 4, (APLIC_S + 0x1000) >> 12);
    out(APLIC_S + DOMAINCFG, 4, IE | DM);
    forward(41, DETACHED, 1);
    out(APLIC_S + SETIPNUM, 4, 41);
    out(APLIC_S + GENMSI, 4, 3);
    out(APLIC_M + SMSI, 4, 0xffffffff);
    out(APLIC_S + SETIPNUM, 4, 41);
    out(APLIC_M + SMSI, 4, (RAM + PAGE) >> 12);
    out(APLIC_S + GENMSI, 4, 0x123);
    host_memory.dma_read(b.host, RAM + PAGE, &word, sizeof word);
    assert_int_equal(GUINT32_FROM_LE(word), 0x123);
    free_machine();
}

/* ---- saved state ---- */

static void state_is_kept(void **state)
{
    struct tn_error error = TN_ERROR_INIT;
    GBytes *saved;

    (void)state;
    build_machine(MESSAGES);
    address_messages();
    open_file(1, 's');
    file_set(1, 's', 0x72, 100);
    out(IMSIC_S + PAGE, 4, 50);
    out(IMSIC_S + PAGE, 4, 150);
    forward(42, EDGE1, 1u << 18 | 60);
    out(APLIC_S + CLRIENUM, 4, 42);
    out(APLIC_S + SETIPNUM, 4, 42);
    set_csr(0, "mvien", SEIP);
    saved = tn_machine_save_state(b.machine, &error);
    assert_non_null(saved);
    free_machine();
    build_machine(MESSAGES);
    assert_int_equal(mip(1), 0);
    assert_int_equal(tn_machine_load_state(b.machine, saved, &error), 0);
    g_bytes_unref(saved);
    assert_int_equal(mip(1), SEIP);
    assert_int_equal(csr(0, "mvien"), SEIP);
    assert_int_equal(csr(1, "stopei"), top(50));
    set_csr(1, "stopei", 0);
    assert_int_equal(csr(1, "stopei"), 0); /* the threshold */
    assert_int_equal(mip(1), 0);
    assert_int_equal(pending(APLIC_S, 42), 1);
    out(APLIC_S + SETIENUM, 4, 42);
    assert_int_equal(csr(1, "stopei"), top(60));
    file_set(1, 's', 0x72, 0);
    set_csr(1, "stopei", 0);
    assert_int_equal(csr(1, "stopei"), top(150));
    free_machine();
}

static void reset_clears(void **state)
{
    (void)state;
    build_machine(MESSAGES);
    open_file(0, 's');
    out(IMSIC_S, 4, 7);
    supervise(20, LEVEL0, 0, 1);
    for (guint i = 0; i < b.machine->instances->len; i++)
        instance_reset(g_ptr_array_index(b.machine->instances, i),
                       TN_RESET_WARM);
    assert_int_equal(mip(0), 0);
    assert_int_equal(file_get(0, 's', 0x70), 0);
    assert_int_equal(file_get(0, 's', 0x80), 0);
    assert_int_equal(in(APLIC_M + SOURCE(20), 4), 0);
    assert_int_equal(in(APLIC_S + DOMAINCFG, 4), 0x80000000);
    free_machine();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_interrupts_its_hart),
        cmocka_unit_test(levels_have_files_of_their_own),
        cmocka_unit_test(only_identities_are_taken),
        cmocka_unit_test(delivery_and_threshold_hold_back),
        cmocka_unit_test(bit_arrays_have_no_identity_0),
        cmocka_unit_test(rv32_has_halves),
        cmocka_unit_test(harts_claim_by_priority),
        cmocka_unit_test(the_root_delivers_to_machine_mode),
        cmocka_unit_test(edges_are_remembered),
        cmocka_unit_test(a_level_is_what_its_line_is),
        cmocka_unit_test(sources_belong_to_one_domain),
        cmocka_unit_test(a_forced_interrupt_is_spurious),
        cmocka_unit_test(a_level_is_forwarded_once),
        cmocka_unit_test(what_is_held_back_is_sent_later),
        cmocka_unit_test(a_message_can_be_asked_for),
        cmocka_unit_test(addresses_are_locked),
        cmocka_unit_test(strange_addresses_are_harmless),
        cmocka_unit_test(state_is_kept),
        cmocka_unit_test(reset_clears),
    };

    static const char *const needed[] = {"irq-aplic", "irq-imsic"};

    for (guint i = 0; i < G_N_ELEMENTS(needed); i++) {
        g_autofree char *plugin = g_strdup_printf(
            "%s/plugins/%s/.libs/%s.so", g_getenv("TENON_TOP_BUILDDIR"),
            needed[i], needed[i]);

        if (!g_file_test(plugin, G_FILE_TEST_EXISTS)) {
            print_message("skipped: %s is not built\n", needed[i]);
            return 77;
        }
    }
    return cmocka_run_group_tests(tests, board_setup, board_teardown);
}
