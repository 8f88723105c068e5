/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flat map under random histories of mapping, unmapping, aliases and
 * priorities, against a model that looks at one address at a time.
 */
#include "core/machine/machine-test.h"

#include <errno.h>

#include "core/machine/epoch.h"
#include "core/machine/services.h"

#define SPACE 4096u
#define N_REGIONS 24

/* ---- random histories against a model that looks at one byte at a time ----
 */

struct model {
    enum region_kind kind;
    struct tn_region *region;
    uint64_t bytes;
    int parent; /* -1: the space; -2: not mapped */
    uint64_t offset;
    int32_t priority;
    guint mapped_at; /* later is seen before earlier */
    int target;
    uint64_t target_offset;
};

static struct model models[N_REGIONS];

static gboolean visible_before(const struct model *a, const struct model *b)
{
    return a->priority != b->priority ? a->priority > b->priority
                                      : a->mapped_at > b->mapped_at;
}

static int model_find(int container, uint64_t address, uint64_t *offset,
                      guint depth);

static int model_enter(int i, uint64_t offset, uint64_t *found, guint depth)
{
    if (models[i].kind == REGION_MMIO) {
        *found = offset;
        return i;
    }
    if (models[i].kind == REGION_ALIAS) {
        offset += models[i].target_offset;
        return offset < models[models[i].target].bytes
                   ? model_enter(models[i].target, offset, found, depth + 1)
                   : -1;
    }
    return model_find(i, offset, found, depth + 1);
}

static int model_find(int container, uint64_t address, uint64_t *offset,
                      guint depth)
{
    gboolean tried[N_REGIONS] = {FALSE};

    for (;;) {
        int best = -1, found;

        for (int i = 0; i < N_REGIONS; i++)
            if (!tried[i] && models[i].parent == container &&
                address >= models[i].offset &&
                address - models[i].offset < models[i].bytes &&
                (best < 0 || visible_before(&models[i], &models[best])))
                best = i;
        if (best < 0 || depth > 20)
            return -1;
        tried[best] = TRUE;
        found = model_enter(best, address - models[best].offset, offset, depth);
        if (found >= 0)
            return found;
    }
}

static gboolean model_reaches(int from, int to)
{
    if (from == to)
        return TRUE;
    if (models[from].kind == REGION_ALIAS)
        return model_reaches(models[from].target, to);
    for (int i = 0; i < N_REGIONS; i++)
        if (models[i].parent == from && model_reaches(i, to))
            return TRUE;
    return FALSE;
}

static void compare(struct tn_machine *machine)
{
    epoch_enter();
    for (uint64_t address = 0; address < SPACE + 64; address++) {
        const struct flat_range *range =
            flat_map_find(memory_map(&machine->memory), address);
        uint64_t offset = 0;
        int i = model_find(-1, address, &offset, 0);

        if (i < 0) {
            assert_null(range);
        } else {
            assert_non_null(range);
            assert_ptr_equal(range->region, models[i].region);
            assert_int_equal(range->offset + (address - range->start), offset);
        }
    }
    epoch_exit();
}

static const struct tn_region_ops plain_ops = {
    .size = sizeof plain_ops, .min_access = 1, .max_access = 8};

static void make_regions(struct tn_host *host, GRand *random)
{
    for (int i = 0; i < N_REGIONS; i++) {
        struct model *m = &models[i];

        *m = (struct model){.parent = -2};
        m->bytes = 1 + (uint64_t)g_rand_int_range(random, 0, 700);
        m->kind = i < 10   ? REGION_MMIO
                  : i < 16 ? REGION_CONTAINER
                           : REGION_ALIAS;
        if (m->kind == REGION_MMIO) {
            m->region =
                host_memory.new_mmio(host, "r", m->bytes, &plain_ops, NULL);
        } else if (m->kind == REGION_CONTAINER) {
            m->region = host_memory.new_container(host, "c", m->bytes);
        } else {
            m->target = g_rand_int_range(random, 0, i);
            m->target_offset = (uint64_t)g_rand_int_range(
                random, 0, (gint32)models[m->target].bytes);
            m->bytes =
                1 + (uint64_t)g_rand_int_range(
                        random, 0,
                        (gint32)(models[m->target].bytes - m->target_offset));
            m->region =
                host_memory.new_alias(host, "a", models[m->target].region,
                                      m->target_offset, m->bytes);
        }
        assert_non_null(m->region);
    }
}

static void change_one(struct tn_host *host, GRand *random, guint step)
{
    int i = g_rand_int_range(random, 0, N_REGIONS);
    struct model *m = &models[i];
    int parent = g_rand_int_range(random, -1, 16);
    int32_t priority = g_rand_int_range(random, -2, 3), rc;
    uint64_t space, offset;

    if (m->parent != -2) {
        assert_int_equal(host_memory.map(host, m->region, NULL, 0, 0), -EBUSY);
        host_memory.unmap(host, m->region);
        m->parent = -2;
        return;
    }
    if (parent >= 0 && models[parent].kind != REGION_CONTAINER)
        parent = -1;
    space = parent < 0 ? SPACE : models[parent].bytes;
    offset = (uint64_t)g_rand_int_range(random, 0, (gint32)space);
    rc = host_memory.map(host, m->region,
                         parent < 0 ? NULL : models[parent].region, offset,
                         priority);
    if (parent >= 0 && model_reaches(i, parent)) {
        assert_int_equal(rc, -EINVAL);
        return;
    }
    assert_int_equal(rc, 0);
    m->parent = parent;
    m->offset = offset;
    m->priority = priority;
    m->mapped_at = step;
}

static void random_histories(void **state)
{
    struct fake device = {.id = "device"};
    g_autoptr(GRand) random = g_rand_new_with_seed(20261123);

    (void)state;
    for (guint run = 0; run < 12; run++) {
        struct tn_machine *machine = test_machine(&device, 1, 0);

        make_regions(device.host, random);
        for (guint step = 1; step <= 60; step++) {
            change_one(device.host, random, step);
            compare(machine);
        }
        test_end(machine);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_histories),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
