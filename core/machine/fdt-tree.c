/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The builder that components see (tenon/fdt.h), and the walk over them.
 */
#include "core/machine/fdt-tree.h"

#include <errno.h>
#include <string.h>

#include <tenon/fdt.h>

#include "core/machine/instance.h"
#include "core/machine/irq.h"
#include "core/machine/machine-private.h"

struct builder {
    struct tn_machine *machine;
    struct fdt_node *root;
    struct fdt_node *current;
    struct fdt_node *bottom; /* describe() must not end this one */
    struct instance *instance;
    GHashTable *phandles; /* id -> number */
    GHashTable *nodes;    /* struct instance * -> its first node */
    gboolean keep;        /* describe_chosen: the first to say it wins */
    int32_t failed;
    const char *problem;
};

static void fail(struct builder *b, const char *problem)
{
    if (!b->failed)
        b->problem = problem;
    b->failed = -EINVAL;
}

static void begin(void *builder, const char *name)
{
    struct builder *b = builder;

    if (!name || !*name || strchr(name, '/')) {
        fail(b, "node name is empty or has a slash");
        name = "?";
    }
    b->current = fdt_node_child(b->current, name);
    if (b->instance && !g_hash_table_contains(b->nodes, b->instance))
        g_hash_table_insert(b->nodes, b->instance, b->current);
}

static void end(void *builder)
{
    struct builder *b = builder;

    if (b->current == b->bottom)
        fail(b, "more nodes ended than begun");
    else
        b->current = fdt_node_parent(b->current);
}

static void set_bytes(void *builder, const char *name, const void *data,
                      uint32_t bytes)
{
    struct builder *b = builder;

    if (!name || !*name || (bytes && !data)) {
        fail(b, "property without name or value");
        return;
    }
    fdt_node_set(b->current, name, data, bytes, b->keep);
}

static void set_u32(void *builder, const char *name, const uint32_t *values,
                    uint32_t n)
{
    struct builder *b = builder;

    if (!name || (n && !values)) {
        fail(b, "property without name or value");
        return;
    }
    fdt_node_set_u32(b->current, name, values, n, b->keep);
}

static void set_u64(void *builder, const char *name, const uint64_t *values,
                    uint32_t n)
{
    g_autofree uint32_t *cells = g_new(uint32_t, 2 * (gsize)n + 1);

    for (uint32_t i = 0; values && i < n; i++) {
        cells[2 * i] = (uint32_t)(values[i] >> 32);
        cells[2 * i + 1] = (uint32_t)values[i];
    }
    set_u32(builder, name, values ? cells : NULL, 2 * n);
}

static void set_string(void *builder, const char *name, const char *value)
{
    set_bytes(builder, name, value, value ? (uint32_t)strlen(value) + 1 : 1);
}

static void set_empty(void *builder, const char *name)
{
    set_bytes(builder, name, NULL, 0);
}

static const char *own_id(struct builder *b, const char *id)
{
    return id ? id : b->instance ? b->instance->desc->id : "";
}

static uint32_t phandle(void *builder, const char *id)
{
    struct builder *b = builder;
    guint number;

    id = own_id(b, id);
    number = GPOINTER_TO_UINT(g_hash_table_lookup(b->phandles, id));
    if (!number) {
        number = g_hash_table_size(b->phandles) + 1;
        g_hash_table_insert(b->phandles, g_strdup(id),
                            GUINT_TO_POINTER(number));
    }
    return number;
}

static void set_phandle(void *builder, const char *id)
{
    uint32_t number = phandle(builder, id);

    set_u32(builder, "phandle", &number, 1);
}

static void set_reg(void *builder)
{
    struct builder *b = builder;
    const struct tn_instance_desc *desc = b->instance->desc;
    g_autofree uint64_t *values = g_new0(uint64_t, 2 * desc->n_addresses + 1);

    for (guint i = 0; i < desc->n_addresses; i++) {
        struct tn_region *region = region_by_index(b->instance, i);

        values[2 * i] = desc->addresses[i];
        values[2 * i + 1] = region ? (uint64_t)region->bytes : 0;
    }
    set_u64(builder, "reg", values, 2 * desc->n_addresses);
}

/* The cells that name SINK, after its controller's phandle. */
static guint sink_cells(struct builder *b, const struct irq_sink *sink,
                        uint32_t cells[5])
{
    struct instance *controller = sink->controller
                                      ? sink->controller->instance
                                      : b->machine->target_instance;
    struct tn_fdt_node node;
    g_autofree char *cpu = g_strdup_printf("cpu%u", sink->cpu);
    guint n = 1;

    cells[0] = phandle(b, sink->controller ? controller->desc->id : cpu);
    cells[1] = sink->line;
    if (instance_interface(controller, TN_FDT_NODE, &node, sizeof node) &&
        node.irq_cells)
        n = node.irq_cells(controller->self, sink->line, cells + 1);
    return 1 + MIN(n, 4);
}

static void set_interrupts(void *builder)
{
    struct builder *b = builder;
    g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(uint32_t));

    /* Outputs the board wires, whether the component took them yet or not. */
    for (guint i = 0; i < b->instance->outputs->len; i++) {
        struct irq_sink *sink = irq_output_sink(b->instance, i);
        uint32_t cells[5];

        if (sink)
            g_array_append_vals(all, cells, sink_cells(b, sink, cells));
    }
    if (all->len)
        set_u32(builder, "interrupts-extended", (uint32_t *)(void *)all->data,
                all->len);
}

static uint32_t output(void *builder, uint32_t index, uint32_t *controller,
                       uint32_t cells[4])
{
    struct builder *b = builder;
    struct irq_sink *sink = irq_output_sink(b->instance, index);
    uint32_t all[5];
    guint n;

    if (!sink)
        return 0;
    n = sink_cells(b, sink, all) - 1;
    *controller = all[0];
    memcpy(cells, all + 1, n * sizeof cells[0]);
    return n;
}

static const struct tn_fdt fdt_template = {
    .size = sizeof(struct tn_fdt),
    .begin = begin,
    .end = end,
    .u32 = set_u32,
    .u64 = set_u64,
    .string = set_string,
    .bytes = set_bytes,
    .empty = set_empty,
    .phandle = phandle,
    .set_phandle = set_phandle,
    .reg = set_reg,
    .interrupts = set_interrupts,
    .output = output,
};

/* ---- the walk ---- */

static void set_cells(struct builder *b, uint32_t address, uint32_t size)
{
    set_u32(b, "#address-cells", &address, 1);
    set_u32(b, "#size-cells", &size, 1);
}

static const char *boot_text(struct tn_machine *machine, const char *name)
{
    const struct tn_value *value =
        machine->desc->boot ? tn_instance_value(machine->desc->boot, name)
                            : NULL;

    return value ? value->text : NULL;
}

static void describe_root(struct builder *b)
{
    const struct tn_machine_desc *desc = b->machine->desc;
    const char *compatible = boot_text(b->machine, "compatible");
    const char *model = boot_text(b->machine, "model");
    uint64_t reg[2] = {desc->ram_base, desc->memory};
    g_autofree char *memory =
        g_strdup_printf("memory@%" G_GINT64_MODIFIER "x", desc->ram_base);

    set_cells(b, 2, 2);
    set_string(b, "compatible", compatible ? compatible : "tenon,machine");
    set_string(b, "model", model ? model : desc->name ? desc->name : "tenon");
    begin(b, "chosen");
    end(b);
    if (desc->memory) {
        begin(b, memory);
        set_string(b, "device_type", "memory");
        set_u64(b, "reg", reg, 2);
        end(b);
    }
}

static void describe_cpus(struct builder *b, const struct tn_fdt *fdt)
{
    struct tn_machine *machine = b->machine;

    begin(b, "cpus");
    set_cells(b, 1, 0);
    b->bottom = b->current;
    for (guint i = 0; i < machine->vcpus.n && !b->failed; i++)
        if (machine->target.describe_cpu &&
            machine->target.describe_cpu(machine->target_instance->self,
                                         machine->vcpus.cpus[i].cpu, fdt))
            fail(b, "a vCPU could not be described");
    b->current = b->root;
}

/* Where INSTANCE's node goes: into its parent's, else into /soc. */
static struct fdt_node *node_above(struct builder *b, struct instance *instance)
{
    struct fdt_node *node = NULL;

    for (; instance->parent && !node; instance = instance->parent)
        node = g_hash_table_lookup(b->nodes, instance->parent);
    if (!node) {
        node = fdt_node_child(b->root, "soc");
        b->current = node;
        set_cells(b, 2, 2);
        set_string(b, "compatible", "simple-bus");
        set_empty(b, "ranges");
    }
    return node;
}

static gint by_board_order(gconstpointer left, gconstpointer right)
{
    const struct instance *a = *(struct instance *const *)left;
    const struct instance *b = *(struct instance *const *)right;

    return (a->desc->board_order > b->desc->board_order) -
           (a->desc->board_order < b->desc->board_order);
}

/* Parents may stand after their children in the board file. */
static void describe(struct builder *b, const struct tn_fdt *fdt,
                     struct instance *instance, GHashTable *done)
{
    struct tn_fdt_node node;

    if (!g_hash_table_add(done, instance))
        return;
    if (instance->parent)
        describe(b, fdt, instance->parent, done);
    if (!instance_interface(instance, TN_FDT_NODE, &node, sizeof node) ||
        !node.describe)
        return;
    b->current = b->bottom = node_above(b, instance);
    b->instance = instance;
    if (node.describe(instance->self, fdt))
        fail(b, "describe() failed");
    if (b->current != b->bottom)
        fail(b, "a node was not ended");
    b->instance = NULL;
}

static void describe_chosen(struct builder *b, const struct tn_fdt *fdt,
                            struct instance *instance)
{
    struct fdt_node *own = g_hash_table_lookup(b->nodes, instance);
    struct tn_fdt_node node;
    g_autofree char *path = NULL;

    if (!own ||
        !instance_interface(instance, TN_FDT_NODE, &node, sizeof node) ||
        !node.describe_chosen)
        return;
    path = fdt_node_path(own);
    b->current = b->bottom = fdt_node_child(b->root, "chosen");
    b->instance = instance;
    if (node.describe_chosen(instance->self, fdt, path))
        fail(b, "describe_chosen() failed");
    b->instance = NULL;
}

static int32_t build(struct builder *b, struct tn_error *error)
{
    struct tn_fdt fdt = fdt_template;
    g_autoptr(GPtrArray) order =
        g_ptr_array_copy(b->machine->instances, NULL, NULL);
    g_autoptr(GHashTable) done = g_hash_table_new(NULL, NULL);

    fdt.builder = b;
    g_ptr_array_sort(order, by_board_order);
    describe_root(b);
    describe_cpus(b, &fdt);
    for (guint i = 0; i < order->len && !b->failed; i++) {
        describe(b, &fdt, g_ptr_array_index(order, i), done);
        if (b->failed)
            return tn_error_set(
                error, b->failed, "%s: device tree: %s",
                ((struct instance *)g_ptr_array_index(order, i))->desc->id,
                b->problem);
    }
    b->keep = TRUE;
    for (guint i = 0; i < order->len && !b->failed; i++)
        describe_chosen(b, &fdt, g_ptr_array_index(order, i));
    if (b->failed)
        return tn_error_set(error, b->failed, "device tree: %s", b->problem);
    return 0;
}

int32_t fdt_tree_build(struct tn_machine *machine, GBytes **tree,
                       struct tn_error *error)
{
    g_autoptr(GHashTable) phandles =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GHashTable) nodes = g_hash_table_new(NULL, NULL);
    struct builder builder = {
        .machine = machine, .phandles = phandles, .nodes = nodes};
    int32_t rc;

    builder.root = builder.current = builder.bottom = fdt_node_new("");
    rc = build(&builder, error);
    if (!rc) {
        *tree = fdt_node_flatten(builder.root, error);
        rc = *tree ? 0 : -EINVAL;
    }
    fdt_node_free(builder.root);
    return rc;
}
