/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest that is saved while it runs, and loaded: into the machine it was
 * saved from, at once and later, and into new ones. It must come to its end
 * as if nothing had happened, under each accelerator.
 */
#include "tests/board/board.h"

#include <string.h>

#define RAM 0x80000000u
#define SHARED (RAM + 0x100000u)
#define MULTIPLIER 6364136223846793005ull
#define ROUNDS 300u
#define STEPS 2000u
#define PLACES 4096u
#define TICK_MS 2u

/*
 * Hart 0: in each round a timer's interrupt, steps of a generator through
 * 32 KiB of RAM, and an interrupt to hart 1, whose answer it waits for. The
 * timer's interrupt is enabled only after wfi, so that none is slept over.
 */
static const uint32_t program[] = {
    /* clang-format off */
    0xf14022f3,              /* start:  csrr t0, mhartid */
    0x00000317, 0x10030313,  /*         la t1, trap */
    0x30531073,              /*         csrw mtvec, t1 */
    0x02000437,              /*         li s0, 0x02000000; CLINT */
    0x400804b7,              /*         lui s1, 0x40080 */
    0x00149493,              /*         slli s1, s1, 1; 0x80100000: what the test looks at */
    0x0c029a63,              /*         bnez t0, hart1 */
    0x08000313,              /*         li t1, 0x80 */
    0x30431073,              /*         csrw mie, t1; MTIE */
    0x00000913,              /*         li s2, 0; rounds */
    0x00000993,              /*         li s3, 0; ticks, by trap */
    0x00100a13,              /*         li s4, 1; generator */
    0x00000a93,              /*         li s5, 0; place */
    0x0084bb83,              /*         ld s7, 8(s1); multiplier */
    0x0104bd03,              /*         ld s10, 16(s1); rounds to do */
    0x40088db7,              /*         lui s11, 0x40088 */
    0x001d9d93,              /*         slli s11, s11, 1; 0x80110000: the 32 KiB */
    0x0000c337,              /* round:  lui t1, 0xc; mtime */
    0x00830333,              /*         add t1, t1, s0 */
    0xff833383,              /*         ld t2, -8(t1) */
    0x7d000e13,              /*         li t3, 2000; 200 us */
    0x01c383b3,              /*         add t2, t2, t3 */
    0x00004337,              /*         lui t1, 0x4 */
    0x00830333,              /*         add t1, t1, s0 */
    0x00733023,              /*         sd t2, 0(t1); mtimecmp */
    0x00098e93,              /*         mv t4, s3 */
    0x10500073,              /* sleep:  wfi */
    0x30046073,              /*         csrsi mstatus, 8; MIE: here it is taken */
    0x30047073,              /*         csrci mstatus, 8 */
    0xffd98ae3,              /*         beq s3, t4, sleep */
    0x7d000f13,              /*         li t5, 2000 */
    0x037a0a33,              /* step:   mul s4, s4, s7 */
    0x001a0a13,              /*         addi s4, s4, 1 */
    0x01ba8fb3,              /*         add t6, s5, s11 */
    0x000fb303,              /*         ld t1, 0(t6) */
    0x006a4a33,              /*         xor s4, s4, t1 */
    0x014fb023,              /*         sd s4, 0(t6) */
    0x008a8a93,              /*         addi s5, s5, 8 */
    0x031a9a93,              /*         slli s5, s5, 49 */
    0x031ada93,              /*         srli s5, s5, 49; modulo 32 KiB */
    0xffff0f13,              /*         addi t5, t5, -1 */
    0xfc0f1ce3,              /*         bnez t5, step */
    0x00100313,              /*         li t1, 1 */
    0x00642223,              /*         sw t1, 4(s0); msip of hart 1 */
    0x00190913,              /*         addi s2, s2, 1 */
    0x0204b303,              /* wait:   ld t1, 32(s1); what it counted */
    0xff231ee3,              /*         bne t1, s2, wait */
    0x02e00313,              /*         li t1, '.' */
    0x100003b7,              /*         lui t2, 0x10000 */
    0x00638023,              /*         sb t1, 0(t2); UART */
    0xf7a91ee3,              /*         bne s2, s10, round */
    0x0144bc23,              /*         sd s4, 24(s1) */
    0x0ff0000f,              /*         fence */
    0x00005337, 0x5553031b,  /*         li t1, 0x5555 */
    0x001003b7,              /*         lui t2, 0x100 */
    0x0063a023,              /*         sw t1, 0(t2); power off */
    0x10500073,              /* here:   wfi */
    0xffdff06f,              /*         j here */
    0x00800313,              /* hart1:  li t1, 8 */
    0x30431073,              /*         csrw mie, t1; MSIE */
    0x30046073,              /*         csrsi mstatus, 8 */
    0x10500073,              /* idle:   wfi */
    0xffdff06f,              /*         j idle */
    0x34202573,              /* trap:   csrr a0, mcause */
    0x00151513,              /*         slli a0, a0, 1 */
    0xff250513,              /*         addi a0, a0, -14; timer */
    0x00050c63,              /*         beqz a0, timer */
    0x00042223,              /*         sw zero, 4(s0) */
    0x02048593,              /*         addi a1, s1, 32 */
    0x00100613,              /*         li a2, 1 */
    0x00c5b02f,              /*         amoadd.d zero, a2, (a1) */
    0x30200073,              /*         mret */
    0x00198993,              /* timer:  addi s3, s3, 1 */
    0xfff00593,              /*         li a1, -1 */
    0x00004637,              /*         lui a2, 0x4 */
    0x00860633,              /*         add a2, a2, s0 */
    0x00b63023,              /*         sd a1, 0(a2) */
    0x30200073,              /*         mret */
    /* clang-format on */
};

struct shared {
    uint64_t unused, multiplier, rounds, result, answers;
};

static uint64_t expected(void)
{
    static uint64_t memory[PLACES];
    uint64_t x = 1;

    memset(memory, 0, sizeof memory);
    for (guint i = 0; i < ROUNDS * STEPS; i++) {
        x = (x * MULTIPLIER + 1) ^ memory[i % PLACES];
        memory[i % PLACES] = x;
    }
    return x;
}

struct run {
    const char *accel;
    gboolean back;  /* to a moment that is long past, now and then */
    gboolean fresh; /* into a new machine */
    guint ticks, loads;
    GBytes *kept;   /* to go back to */
    GBytes *moved;  /* for the next machine */
};

static GBytes *save(void)
{
    struct tn_error error = TN_ERROR_INIT;
    GBytes *state = tn_machine_save_state(b.machine, &error);

    if (!state)
        print_message("%s\n", tn_error_text(&error, -1));
    assert_non_null(state);
    return state;
}

static void load(GBytes *state)
{
    struct tn_error error = TN_ERROR_INIT;
    int32_t rc = tn_machine_load_state(b.machine, state, &error);

    if (rc)
        print_message("%s\n", tn_error_text(&error, rc));
    assert_int_equal(rc, 0);
}

static gboolean tick(gpointer data)
{
    struct run *run = data;
    guint n = run->ticks++;

    if (run->fresh && n % 8 == 7) {
        tn_machine_pause(b.machine);
        run->moved = save();
        tn_machine_request(b.machine, TN_REQUEST_QUIT, 0);
    } else if (run->back && n % 8 == 3) {
        g_clear_pointer(&run->kept, g_bytes_unref);
        run->kept = save();
    } else if (run->back && n % 8 == 6) {
        load(run->kept);
        run->loads++;
    } else if (n % 2) {
        g_autoptr(GBytes) state = NULL;

        /* Nothing may happen between the two. */
        tn_machine_pause(b.machine);
        state = save();
        load(state);
        run->loads++;
        assert_int_equal(tn_machine_resume(b.machine, NULL), 0);
    }
    return G_SOURCE_CONTINUE;
}

/* Until the guest or tick() ends it. */
static uint32_t serve(struct run *run)
{
    GSource *source = g_timeout_source_new(TICK_MS);
    uint32_t why;

    g_source_set_callback(source, tick, run, NULL);
    g_source_attach(source, tn_machine_context(b.machine));
    assert_int_equal(tn_machine_resume(b.machine, NULL), 0);
    why = tn_machine_wait(b.machine, NULL);
    g_source_destroy(source);
    g_source_unref(source);
    return why;
}

static void power_on(void)
{
    const struct shared shared = {.multiplier = MULTIPLIER, .rounds = ROUNDS};
    const uint64_t start = RAM;

    host_memory.dma_write(b.host, RAM, program, sizeof program);
    host_memory.dma_write(b.host, SHARED, &shared, sizeof shared);
    for (guint i = 0; i < b.machine->vcpus.n; i++)
        b.machine->target.write_reg(b.machine->target_instance->self,
                                    b.machine->vcpus.cpus[i].cpu, "pc", &start,
                                    sizeof start);
}

static gboolean is_built(const char *accel)
{
    g_autofree char *plugin = g_strdup_printf(
        "%s/plugins/accel-%s/.libs/accel-%s.so",
        g_getenv("TENON_TOP_BUILDDIR"), accel, accel);

    return g_file_test(plugin, G_FILE_TEST_EXISTS);
}

static void run_guest(struct run *run)
{
    struct shared shared = {0};
    uint32_t why;

    if (!is_built(run->accel)) {
        print_message("skipped: accel-%s is not built\n", run->accel);
        skip();
    }
    b.accel = run->accel;
    build_machine("");
    power_on();
    while ((why = serve(run)) == TN_REQUEST_QUIT) {
        free_machine();
        build_machine("");
        load(run->moved);
        run->loads++;
        g_clear_pointer(&run->moved, g_bytes_unref);
    }
    assert_int_equal(why, TN_REQUEST_POWEROFF);
    host_memory.dma_read(b.host, SHARED, &shared, sizeof shared);
    assert_int_equal(shared.answers, ROUNDS);
    assert_int_equal(shared.result, expected());
    assert_true(run->loads > 0);
    g_clear_pointer(&run->kept, g_bytes_unref);
    free_machine();
}

#define CASE(accel_)                                                           \
    static void accel_##_loads_at_once(void **state)                           \
    {                                                                          \
        struct run run = {.accel = #accel_};                                   \
        (void)state;                                                           \
        run_guest(&run);                                                       \
    }                                                                          \
    static void accel_##_goes_back(void **state)                               \
    {                                                                          \
        struct run run = {.accel = #accel_, .back = TRUE};                     \
        (void)state;                                                           \
        run_guest(&run);                                                       \
    }                                                                          \
    static void accel_##_moves_to_new_machines(void **state)                   \
    {                                                                          \
        struct run run = {.accel = #accel_, .back = TRUE, .fresh = TRUE};      \
        (void)state;                                                           \
        run_guest(&run);                                                       \
    }
CASE(interp)
CASE(tcg)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(interp_loads_at_once),
        cmocka_unit_test(interp_goes_back),
        cmocka_unit_test(interp_moves_to_new_machines),
        cmocka_unit_test(tcg_loads_at_once),
        cmocka_unit_test(tcg_goes_back),
        cmocka_unit_test(tcg_moves_to_new_machines),
    };

    return cmocka_run_group_tests(tests, board_setup, board_teardown);
}
