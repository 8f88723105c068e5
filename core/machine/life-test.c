/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of instances and of the machine: order of steps, unwinding after a
 * failure of every step, locks, pausing under load, saved state.
 */
#include "core/machine/machine-test.h"

#include <errno.h>
#include <string.h>

#include "core/machine/services.h"
#include "core/machine/thread.h"

#define DEVICES 4

/* ---- every step fails once ---- */

enum step { CONFIGURE, REALIZE, START, STEPS };

struct life {
    guint fail_device;
    enum step fail_step;
    gboolean failing;
    gboolean realized[DEVICES], started[DEVICES];
};

static struct life life;

static guint index_of(void *self)
{
    return (guint)((struct fake *)self)->id[0] - 'a';
}

static int32_t step(void *self, enum step which, struct tn_error *error)
{
    guint i = index_of(self);

    if (life.failing && life.fail_device == i && life.fail_step == which)
        return tn_error_set(error, -ENXIO, "made to fail");
    return 0;
}

static int32_t life_configure(void *self, struct tn_error *error)
{
    return step(self, CONFIGURE, error);
}

static int32_t life_realize(void *self, struct tn_error *error)
{
    struct fake *fake = self;
    int32_t rc = step(self, REALIZE, error);

    assert_true(host_tree.parent(fake->host) == NULL ||
                life.realized[0]); /* parents first */
    /* What a failed realize() leaves is freed by core. */
    host_memory.new_ram(fake->host, "ram", 4096, 0, NULL);
    life.realized[index_of(self)] = !rc;
    return rc;
}

static void life_unrealize(void *self)
{
    guint i = index_of(self);

    assert_true(life.realized[i]);
    assert_false(life.started[i]);
    for (guint j = i + 1; j < DEVICES; j++)
        assert_false(life.realized[j]);
    life.realized[i] = FALSE;
}

static int32_t life_start(void *self, struct tn_error *error)
{
    int32_t rc = step(self, START, error);

    life.started[index_of(self)] = !rc;
    return rc;
}

static void life_stop(void *self)
{
    guint i = index_of(self);

    assert_true(life.started[i]);
    for (guint j = i + 1; j < DEVICES; j++)
        assert_false(life.started[j]);
    life.started[i] = FALSE;
}

#define LIFE_DEVICE(name, above)                                               \
    {                                                                          \
        .id = (name), .configure = life_configure, .realize = life_realize,    \
        .unrealize = life_unrealize, .start = life_start, .stop = life_stop,   \
        .parent = (above)                                                      \
    }

static void every_step_fails_once(void **state)
{
    (void)state;
    for (guint i = 0; i < DEVICES; i++)
        for (guint which = 0; which < STEPS; which++) {
            struct fake fakes[DEVICES] = {
                LIFE_DEVICE("a", NULL), LIFE_DEVICE("b", "a"),
                LIFE_DEVICE("c", NULL), LIFE_DEVICE("d", "a")};
            struct tn_machine_desc *desc = test_desc(fakes, DEVICES, 1 << 20);
            g_auto(tn_error_auto) error = TN_ERROR_INIT;
            g_autofree char *expected =
                g_strdup_printf("%s: made to fail", fakes[i].id);
            struct tn_machine *machine;
            int32_t code = 0;

            test_add_cpus(desc, 2);
            memset(&life, 0, sizeof life);
            life.failing = TRUE;
            life.fail_device = i;
            life.fail_step = which;
            machine = tn_machine_new(desc, &code, &error);
            if (which == START) {
                assert_non_null(machine);
                code = tn_machine_start(machine, &error);
                /* And again, with the cause gone. */
                life.failing = FALSE;
                assert_int_equal(tn_machine_start(machine, NULL), 0);
                assert_true(tn_machine_is_running(machine));
                tn_machine_free(machine);
            } else {
                assert_null(machine);
            }
            assert_int_equal(code, -ENXIO);
            assert_string_equal(error.text, expected);
            for (guint j = 0; j < DEVICES; j++) {
                assert_false(life.realized[j]);
                assert_false(life.started[j]);
                assert_null(fakes[j].host); /* destroyed */
            }
            test_desc_free(desc);
        }
}

static int32_t odd_realize(void *self, struct tn_error *error)
{
    (void)self, (void)error;
    return 7;
}

static void a_step_returns_nonsense(void **state)
{
    struct fake fake = {.id = "a", .realize = odd_realize};
    struct tn_machine_desc *desc = test_desc(&fake, 1, 0);
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    int32_t code;

    (void)state;
    assert_null(tn_machine_new(desc, &code, &error));
    assert_int_equal(code, -EPROTO);
    assert_string_equal(error.text, "a: realize returned 7");
    test_desc_free(desc);
}

/* ---- locks ---- */

static void reentry_is_detected(void **state)
{
    struct fake fakes[3] = {
        {.id = "a"},
        {.id = "b", .parent = "a", .flags = TN_COMPONENT_PARENT_LOCK},
        {.id = "c", .flags = TN_COMPONENT_PARALLEL}};
    struct tn_machine *machine = test_machine(fakes, 3, 0);
    struct tn_peer *a = host_tree.find(fakes[0].host, "a");
    struct tn_peer *b = host_tree.find(fakes[0].host, "b");
    struct tn_peer *c = host_tree.find(fakes[0].host, "c");

    (void)state;
    assert_ptr_equal(host_tree.parent(fakes[1].host), a);
    assert_ptr_equal(host_tree.child(fakes[0].host, 0), b);
    assert_null(host_tree.child(fakes[0].host, 1));
    assert_int_equal(host_tree.enter(fakes[2].host, a), 0);
    assert_int_equal(host_tree.enter(fakes[2].host, a), -EDEADLK);
    assert_int_equal(host_tree.enter(fakes[2].host, b), -EDEADLK);
    assert_int_equal(host_tree.enter(fakes[2].host, c), 0);
    assert_int_equal(host_tree.enter(fakes[2].host, c), -EDEADLK);
    host_tree.leave(fakes[2].host, a); /* out of order */
    assert_int_equal(host_tree.enter(fakes[2].host, b), 0);
    host_tree.leave(fakes[2].host, b);
    host_tree.leave(fakes[2].host, c);
    assert_int_equal(thread_current()->n_calls, 0);
    test_end(machine);
}

/* ---- vCPU threads ---- */

static void paused_means_paused(void **state)
{
    struct fake fake = {.id = "a"};
    struct tn_machine_desc *desc = test_desc(&fake, 1, 1 << 20);
    struct tn_machine *machine;
    guint runs;

    (void)state;
    test_add_cpus(desc, 3);
    machine = tn_machine_new(desc, NULL, NULL);
    assert_non_null(machine);
    runs = atomic_load(&fake_runs);
    assert_int_equal(tn_machine_start(machine, NULL), 0);
    for (guint i = 0; i < 2000; i++) {
        uint64_t now;

        if (i % 7 == 0)
            g_usleep(i % 50);
        if (i % 11 == 0)
            assert_int_equal(tn_machine_reset(machine, TN_RESET_WARM, NULL), 0);
        tn_machine_pause(machine);
        assert_int_equal(atomic_load(&fake_running), 0);
        now = host_clock.now(fake.host, TN_CLOCK_VIRTUAL);
        if (i % 100 == 0)
            g_usleep(1000);
        assert_int_equal(host_clock.now(fake.host, TN_CLOCK_VIRTUAL), now);
        assert_int_equal(tn_machine_resume(machine, NULL), 0);
    }
    while (atomic_load(&fake_running) < 3) /* none got lost */
        g_usleep(100);
    assert_true(atomic_load(&fake_runs) > runs + 3);
    test_end(machine);
}

static gpointer power_off_later(gpointer machine)
{
    g_usleep(20000);
    tn_machine_request(machine, TN_REQUEST_FAIL, 42);
    return NULL;
}

static void wait_ends_with_the_reason(void **state)
{
    struct fake fake = {.id = "a"};
    struct tn_machine_desc *desc = test_desc(&fake, 1, 0);
    struct tn_machine *machine;
    uint32_t detail = 0;
    GThread *thread;

    (void)state;
    test_add_cpus(desc, 1);
    machine = tn_machine_new(desc, NULL, NULL);
    assert_int_equal(tn_machine_start(machine, NULL), 0);
    thread = g_thread_new("off", power_off_later, machine);
    assert_int_equal(tn_machine_wait(machine, &detail), TN_REQUEST_FAIL);
    assert_int_equal(detail, 42);
    assert_false(tn_machine_is_running(machine));
    g_thread_join(thread);
    test_end(machine);
}

static void two_machines_in_one_process(void **state)
{
    struct fake first = {.id = "a"}, second = {.id = "a"};
    struct tn_machine_desc *one = test_desc(&first, 1, 1 << 20), *two;
    struct tn_machine *a, *b;
    uint32_t value = 1;

    (void)state;
    test_add_cpus(one, 1);
    a = tn_machine_new(one, NULL, NULL);
    two = test_desc(&second, 1, 1 << 20);
    b = tn_machine_new(two, NULL, NULL);
    assert_int_equal(tn_machine_start(a, NULL), 0);
    assert_int_equal(tn_machine_start(b, NULL), 0);
    host_memory.dma_write(first.host, 0, &value, 4);
    host_memory.dma_read(second.host, 0, &value, 4);
    assert_int_equal(value, 0);
    test_end(b);
    test_end(a);
}

/* ---- saved state ---- */

struct saved {
    struct fake fake; /* first: SELF */
    uint32_t numbers[3];
    uint8_t text[5];
    uint64_t big;
    gboolean refuse;
};

static int32_t saved_loaded(void *self, uint32_t version,
                            struct tn_error *error)
{
    (void)version;
    return ((struct saved *)self)->refuse
               ? tn_error_set(error, -EINVAL, "refused")
               : 0;
}

static const struct tn_field saved_fields[] = {
    TN_FIELD_ARRAY(struct saved, numbers, 1),
    TN_FIELD(TN_FIELD_BYTES, struct saved, text, 1),
    TN_FIELD(TN_FIELD_UINT, struct saved, big, 2),
};

static struct tn_state saved_table = {
    .size = sizeof saved_table,
    .version = 2,
    .oldest = 1,
    .n_fields = G_N_ELEMENTS(saved_fields),
    .field_size = sizeof(struct tn_field),
    .fields = saved_fields,
    .loaded = saved_loaded,
};

static const void *saved_interface(void *self, const char *id)
{
    (void)self;
    return strcmp(id, TN_STATE) ? NULL : &saved_table;
}

static void saved_reset(void *self, uint32_t kind)
{
    struct saved *saved = self;

    (void)kind;
    memset(saved->numbers, 0, sizeof saved->numbers);
    memset(saved->text, 0, sizeof saved->text);
    saved->big = 0;
}

static struct tn_machine *saved_machine(struct saved *device)
{
    struct tn_machine_desc *desc;
    struct tn_machine *machine;

    device->fake = (struct fake){
        .id = "a", .get_interface = saved_interface, .reset = saved_reset};
    desc = test_desc(&device->fake, 1, 0);
    test_add_cpus(desc, 2);
    machine = tn_machine_new(desc, NULL, NULL);
    if (!machine)
        test_desc_free(desc);
    return machine;
}

static void state_comes_back(void **state)
{
    struct saved device = {.big = 0};
    struct tn_machine *machine = saved_machine(&device);
    g_autoptr(GBytes) stream = NULL;
    const uint8_t *data;
    uint64_t pc = 0x1234;
    gsize bytes;

    (void)state;
    device.numbers[2] = 77;
    device.big = 1ull << 40;
    memcpy(device.text, "hello", 5);
    machine->target.write_reg(NULL, machine->vcpus.cpus[1].cpu, "pc", &pc, 8);
    stream = tn_machine_save_state(machine, NULL);
    assert_non_null(stream);
    saved_reset(&device, 0);
    pc = 0;
    assert_int_equal(tn_machine_load_state(machine, stream, NULL), 0);
    assert_int_equal(device.numbers[2], 77);
    assert_int_equal(device.big, 1ull << 40);
    assert_memory_equal(device.text, "hello", 5);
    host_boot.get_register(device.fake.host, 1, "pc", &pc);
    assert_int_equal(pc, 0x1234);
    /* Cut off anywhere, it is refused and nothing else happens. */
    data = g_bytes_get_data(stream, &bytes);
    for (gsize cut = 0; cut < bytes; cut++) {
        g_autofree void *copy = g_memdup2(data, cut);
        g_autoptr(GBytes) part = g_bytes_new(copy, cut);

        assert_true(tn_machine_load_state(machine, part, NULL) < 0);
    }
    device.refuse = TRUE;
    assert_int_equal(tn_machine_load_state(machine, stream, NULL), -EINVAL);
    test_end(machine);
}

static void damaged_state_is_harmless(void **state)
{
    struct saved device = {.big = 5};
    struct tn_machine *machine = saved_machine(&device);
    g_autoptr(GRand) random = g_rand_new_with_seed(1);
    g_autoptr(GBytes) stream = tn_machine_save_state(machine, NULL);
    gsize bytes;
    const void *data = g_bytes_get_data(stream, &bytes);

    (void)state;
    for (guint i = 0; i < 20000; i++) {
        g_autofree uint8_t *copy = g_memdup2(data, bytes);
        g_autoptr(GBytes) damaged = NULL;

        for (guint j = 0; j <= i % 4; j++)
            copy[g_rand_int_range(random, 0, (gint32)bytes)] =
                (uint8_t)g_rand_int(random);
        damaged = g_bytes_new(copy, bytes);
        tn_machine_load_state(machine, damaged, NULL);
    }
    test_end(machine);
}

static void unsound_tables_are_refused(void **state)
{
    struct tn_field fields[2];
    const struct tn_state good = saved_table;

    (void)state;
    for (guint i = 0; i < 5; i++) {
        struct saved device = {.big = 0};

        memcpy(fields, saved_fields, sizeof fields);
        saved_table.n_fields = 2;
        saved_table.fields = fields;
        if (i == 0)
            fields[0].width = 3;
        else if (i == 1)
            fields[1].type = 9;
        else if (i == 2)
            memcpy(fields[1].name, fields[0].name, sizeof fields[1].name);
        else if (i == 3)
            fields[0].since = 3;
        else
            saved_table.oldest = 3;
        assert_null(saved_machine(&device));
        saved_table = good;
    }
}

static void no_table_means_no_saving(void **state)
{
    struct fake fake = {.id = "a"};
    struct tn_machine *machine = test_machine(&fake, 1, 0);
    g_auto(tn_error_auto) error = TN_ERROR_INIT;

    (void)state;
    assert_null(tn_machine_save_state(machine, &error));
    assert_string_equal(error.text, "a (component a) cannot be saved");
    test_end(machine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_step_fails_once),
        cmocka_unit_test(a_step_returns_nonsense),
        cmocka_unit_test(reentry_is_detected),
        cmocka_unit_test(paused_means_paused),
        cmocka_unit_test(wait_ends_with_the_reason),
        cmocka_unit_test(two_machines_in_one_process),
        cmocka_unit_test(state_comes_back),
        cmocka_unit_test(damaged_state_is_harmless),
        cmocka_unit_test(unsound_tables_are_refused),
        cmocka_unit_test(no_table_means_no_saving),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
