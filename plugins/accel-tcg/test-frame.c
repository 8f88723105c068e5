/* SPDX-License-Identifier: Apache-2.0 */
/* The tests' host and target: see test-frame.h. */
#include "test-frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "accel-tcg.h"

/* ---- the host ---- */

static void log_write(struct tn_host *host, uint32_t level, const char *text)
{
    (void)host;
    fprintf(stderr, "log %u: %s\n", level, text);
}

static void log_error(struct tn_host *host, struct tn_error *error,
                      const char *text)
{
    (void)error;
    log_write(host, TN_LOG_ERROR, text);
}

static uint32_t log_enabled(struct tn_host *host, uint32_t level)
{
    (void)host;
    return level >= TN_LOG_WARNING;
}

static uint64_t props_uint(struct tn_host *host, const char *name)
{
    const struct frame *f = (const struct frame *)host;

    return !strcmp(name, "cache-size")          ? 8u << 20
           : !strcmp(name, "max-insns")         ? f->max_insns
           : !strcmp(name, "chain")             ? !f->no_chain
           : !strcmp(name, "verify")            ? 1
           : !strcmp(name, "cache-flush-every") ? f->flush_every
                                                : 0;
}

static const char *props_string(struct tn_host *host, const char *name)
{
    const struct frame *f = (const struct frame *)host;

    (void)name;
    return f->log_file;
}

static uint32_t props_count(struct tn_host *host, const char *name)
{
    const struct frame *f = (const struct frame *)host;

    (void)name;
    return f->log_file ? 3 : 0;
}

static const char *props_item(struct tn_host *host, const char *name,
                              uint32_t index)
{
    (void)host;
    (void)name;
    return index == 2 ? "guest" : index ? "host" : "ir";
}

static void mem_resolve(struct tn_host *host, uint64_t pa,
                        struct tn_backing *b)
{
    struct frame *f = (struct frame *)host;

    if (pa < RAM_BYTES)
        *b = (struct tn_backing){sizeof *b, 0, 0, RAM_BYTES - 1, f->ram,
                                 f->page_flags, 0};
    else
        *b = (struct tn_backing){.size = sizeof *b,
                                 .flags = TN_BACKING_DEVICE,
                                 .start = pa, .last = pa | PAGE_MASK};
}

static int32_t mem_io(struct frame *f, uint64_t pa, uint32_t bytes,
                      uint64_t what)
{
    if (pa < TEST_IO)
        return -EFAULT;
    f->io_log[f->n_io++ % 64] = pa << 40 | (uint64_t)bytes << 32 |
                                (what & 0xffffffff);
    return 0;
}

static int32_t mem_io_read(struct tn_host *host, uint64_t pa, uint32_t bytes,
                           uint64_t *value)
{
    *value = 0x1122334455667788ull + pa;
    if (bytes < 8)
        *value &= (1ull << 8 * bytes) - 1;
    return mem_io((struct frame *)host, pa, bytes, 0);
}

static int32_t mem_io_write(struct tn_host *host, uint64_t pa, uint32_t bytes,
                            uint64_t value)
{
    return mem_io((struct frame *)host, pa, bytes, value);
}

static uint64_t mem_ram_bytes(struct tn_host *host)
{
    (void)host;
    return RAM_BYTES;
}

static const struct tn_log log_service = {
    .size = sizeof log_service, .write = log_write, .set_error = log_error,
    .enabled = log_enabled};
static const struct tn_props props_service = {
    .size = sizeof props_service, .get_uint = props_uint,
    .get_string = props_string, .count = props_count, .get_item = props_item};
static const struct tn_guestmem mem_service = {
    .size = sizeof mem_service, .resolve = mem_resolve,
    .io_read = mem_io_read, .io_write = mem_io_write,
    .ram_bytes = mem_ram_bytes};

static const void *service(struct tn_host *host, const char *id)
{
    (void)host;
    return !strcmp(id, TN_HOST_LOG)        ? (const void *)&log_service
           : !strcmp(id, TN_HOST_PROPS)    ? (const void *)&props_service
           : !strcmp(id, TN_HOST_GUESTMEM) ? (const void *)&mem_service
                                           : NULL;
}

/* ---- the target ---- */

#define INT(n, hot)                                                            \
    {                                                                          \
        .name = "x" #n, .offset = offsetof(struct test_state, x[n]),           \
        .bits = 64, .cls = TN_CLASS_INT, .hotness = hot, .alias_of = -1        \
    }
#define FP(n)                                                                  \
    {                                                                          \
        .name = "f" #n, .offset = offsetof(struct test_state, f[n]),           \
        .bits = 64, .cls = TN_CLASS_FP, .hotness = 100 - n, .alias_of = -1     \
    }
#define OTHER(n, m, b, c, r, fl)                                               \
    {                                                                          \
        .name = n, .offset = offsetof(struct test_state, m), .bits = b,        \
        .cls = c, .role = r, .flags = fl, .alias_of = -1                       \
    }

const struct tn_reg test_regs[N_REGS] = {
    INT(0, 200), INT(1, 199), INT(2, 198), INT(3, 197), INT(4, 196),
    INT(5, 195), INT(6, 194), INT(7, 193), INT(8, 192), INT(9, 191),
    INT(10, 9), INT(11, 8), INT(12, 7), INT(13, 6), INT(14, 5), INT(15, 4),
    INT(16, 3), INT(17, 2), INT(18, 1), INT(19, 0),
    OTHER("i32", i32, 32, TN_CLASS_INT, 0, 0),
    OTHER("i16", i16, 16, TN_CLASS_INT, 0, 0),
    OTHER("i8", i8, 8, TN_CLASS_INT, 0, 0),
    OTHER("flag", flag, 1, TN_CLASS_FLAG, 0, 0),
    OTHER("wide", wide, 128, TN_CLASS_VECTOR, 0, 0),
    OTHER("vol", vol, 64, TN_CLASS_INT, 0, TN_REG_VOLATILE),
    FP(0), FP(1), FP(2), FP(3), FP(4), FP(5), FP(6), FP(7), FP(8), FP(9),
    FP(10), FP(11),
    OTHER("pc", pc, 64, TN_CLASS_INT, TN_ROLE_PC, 0),
};

static uint64_t help_add(struct tn_cpu *cpu, uint64_t a, uint64_t b,
                         uint64_t c, uint64_t d)
{
    (void)cpu;
    return a + b + c + d;
}

static uint64_t help_read(struct tn_cpu *cpu, uint64_t a, uint64_t b,
                          uint64_t c, uint64_t d)
{
    (void)b;
    (void)c;
    (void)d;
    return ((struct test_state *)cpu)->x[a % N_INT];
}

static uint64_t help_write(struct tn_cpu *cpu, uint64_t a, uint64_t b,
                           uint64_t c, uint64_t d)
{
    uint64_t *x = &((struct test_state *)cpu)->x[a % N_INT], old = *x;

    (void)c;
    (void)d;
    *x = b;
    return old;
}

static uint64_t help_raise(struct tn_cpu *cpu, uint64_t a, uint64_t b,
                           uint64_t c, uint64_t d)
{
    struct tn_exception e = {.size = sizeof e, .code = 7, .value = a};

    (void)b;
    (void)c;
    (void)d;
    if (a & 1)
        cpu->services->raise(cpu, &e);
    return ~a;
}

static const struct tn_helper helpers[] = {
    {"add", help_add, TN_HELPER_PURE, 0},
    {"read", help_read, TN_HELPER_READS, 0},
    {"write", help_write, TN_HELPER_READS | TN_HELPER_WRITES, 0},
    {"raise", help_raise, TN_HELPER_RAISES, 0},
};

static const struct tn_fp_profile profiles[] = {
    {.size = sizeof(struct tn_fp_profile)}};

static struct tn_target_info info = {
    .size = sizeof info, .name = "test", .address_bits = 64, .phys_bits = 56,
    .page_bits = 12, .insn_align = 2, .max_insn_bytes = 8,
    .state_bytes = sizeof(struct test_state), .n_regs = N_REGS,
    .reg_size = sizeof(struct tn_reg), .n_helpers = 4,
    .helper_size = sizeof(struct tn_helper), .n_profiles = 1,
    .code_needs_sync = 1, .regs = test_regs, .helpers = helpers,
    .profiles = profiles};

static const struct tn_target_info *get_info(void *self)
{
    struct frame *f = self;

    info.code_needs_sync = f->needs_sync;
    return &info;
}

static int32_t cpu_init(void *self, struct tn_cpu *cpu, struct tn_error *error)
{
    (void)self;
    (void)cpu;
    (void)error;
    return 0;
}

static void cpu_fini(void *self, struct tn_cpu *cpu)
{
    (void)self;
    (void)cpu;
}

static int32_t decode(void *self, struct tn_decode *d)
{
    struct frame *f = self;

    return f->decode(f, d);
}

static uint32_t fetch_mode(void *self, uint64_t key)
{
    (void)self;
    return key & 1;
}

static int32_t walk(void *self, struct tn_cpu *cpu, struct tn_walk *w)
{
    static const uint32_t need[] = {TN_PROT_READ, TN_PROT_WRITE, TN_PROT_EXEC};
    struct frame *f = self;

    (void)cpu;
    f->n_walks++;
    w->pa = w->va;
    w->page_bits = 12;
    w->prot = TN_PROT_READ | TN_PROT_WRITE | TN_PROT_EXEC;
    if (f->fence && !((w->va ^ f->fence) & ~PAGE_MASK)) {
        /* The largest block around the address that it does not divide. */
        while (w->va >> w->page_bits == f->fence >> w->page_bits &&
               f->fence & ((1ull << w->page_bits) - 1))
            w->page_bits--;
        if (w->access == TN_ACCESS_FETCH && w->va >= f->fence)
            goto fault;
    }
    if (!f->pages)
        return 0;
    for (uint32_t i = 0; i < f->n_pages; i++)
        if (f->pages[i].va == (w->va & ~PAGE_MASK) &&
            f->pages[i].prot & need[w->access]) {
            w->pa = f->pages[i].pa | (w->va & PAGE_MASK);
            w->prot = f->pages[i].prot;
            return 0;
        }
fault:
    w->exception = (struct tn_exception){.size = sizeof w->exception,
                                         .code = 100 + w->access,
                                         .access = w->access, .value = w->va};
    return -EFAULT;
}

static uint32_t irq_pending(void *self, struct tn_cpu *cpu)
{
    (void)cpu;
    return ((struct frame *)self)->irq;
}

static void take_irq(void *self, struct tn_cpu *cpu)
{
    struct frame *f = self;

    f->irq = 0;
    f->n_irqs++;
    f->accel->request(f->tcg, cpu, TN_CPU_STOP);
}

/* Every exception ends the run. */
static void take_exception(void *self, struct tn_cpu *cpu,
                           const struct tn_exception *exception)
{
    struct frame *f = self;

    f->exception = *exception;
    f->n_exceptions++;
    f->accel->request(f->tcg, cpu, TN_CPU_STOP);
}

static const struct tn_target target = {
    .size = sizeof target, .info = get_info, .cpu_init = cpu_init,
    .cpu_fini = cpu_fini, .decode = decode, .fetch_mode = fetch_mode,
    .walk = walk, .irq_pending = irq_pending, .take_irq = take_irq,
    .take_exception = take_exception};

/* ---- the frame ---- */

struct frame *frame_new(void)
{
    struct frame *f = calloc(1, sizeof *f);

    assert_non_null(f);
    f->host.service = service;
    f->max_insns = 48;
    f->needs_sync = 1;
    f->ram = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    f->page_flags = calloc(RAM_BYTES >> PAGE_BITS, 1);
    return f;
}

void frame_start(struct frame *f)
{
    assert_int_equal(tcg_component_ops.create(&f->host, &f->tcg), 0);
    assert_int_equal(tcg_component_ops.configure(f->tcg, NULL), 0);
    f->accel = tcg_component_ops.get_interface(f->tcg, TN_ACCEL);
    assert_int_equal(f->accel->attach(f->tcg, &target, f, 1, NULL), 0);
    assert_int_equal(f->accel->vcpu_new(f->tcg, 0, &f->cpu, NULL), 0);
    f->state = (struct test_state *)f->cpu;
}

void frame_free(struct frame *f)
{
    f->accel->vcpu_free(f->tcg, f->cpu);
    tcg_component_ops.destroy(f->tcg);
    munmap(f->ram, RAM_BYTES);
    free(f->page_flags);
    free(f);
}

void frame_run(struct frame *f, uint64_t pc)
{
    f->state->pc = pc;
    f->n_exceptions = 0;
    memset(&f->exception, 0, sizeof f->exception);
    assert_int_equal(f->accel->run(f->tcg, f->cpu), TN_RUN_STOPPED);
}
