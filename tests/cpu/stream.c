/* SPDX-License-Identifier: Apache-2.0 */
/* The frame of random instruction streams; see stream.h. */
#include "stream.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define RAM_BASE 0x80000000ull
#define RAM_BYTES (64ull << 20)
#define SKIP 77
#define MAX_SIDES 3

/* Who runs the programs: accelerators, and the reference last. */
struct side {
    const char *name;
    const char *accel; /* plugin, or NULL: the reference */
    struct cpu_machine *machine;
    struct cpu_setup setup;
    uint8_t *out;
};

struct run {
    const struct stream_arch *arch;
    struct side side[MAX_SIDES];
    uint32_t n_sides;
    char directory[64];
    char command[1024];  /* of the reference */
    char cpu[512];       /* its -cpu value */
    uint64_t features;
    uint64_t insns, programs;
};

/* ---- the reference ---- */

static void put_file(const char *path, const struct stream_arch *arch,
                     const struct stream *s)
{
    FILE *f = fopen(path, "wb");

    if (!f) {
        perror(path);
        exit(1);
    }
    if (arch->elf_class == ELFCLASS64) {
        Elf64_Ehdr eh = {.e_type = ET_EXEC, .e_machine = arch->elf_machine,
                         .e_version = 1, .e_entry = s->base,
                         .e_phoff = sizeof eh, .e_flags = arch->elf_flags,
                         .e_ehsize = sizeof eh,
                         .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 1};
        Elf64_Phdr ph = {.p_type = PT_LOAD, .p_flags = PF_R | PF_W | PF_X,
                         .p_offset = 4096, .p_vaddr = s->base,
                         .p_paddr = s->base, .p_filesz = s->bytes,
                         .p_memsz = s->bytes, .p_align = 4096};
        memcpy(eh.e_ident, ELFMAG "\2\1\1", 7);
        fwrite(&eh, sizeof eh, 1, f);
        fwrite(&ph, sizeof ph, 1, f);
    } else {
        Elf32_Ehdr eh = {.e_type = ET_EXEC,
                         .e_machine = (uint16_t)arch->elf_machine,
                         .e_version = 1, .e_entry = (uint32_t)s->base,
                         .e_phoff = sizeof eh, .e_flags = arch->elf_flags,
                         .e_ehsize = sizeof eh,
                         .e_phentsize = sizeof(Elf32_Phdr), .e_phnum = 1};
        Elf32_Phdr ph = {.p_type = PT_LOAD, .p_flags = PF_R | PF_W | PF_X,
                         .p_offset = 4096, .p_vaddr = (uint32_t)s->base,
                         .p_paddr = (uint32_t)s->base,
                         .p_filesz = (uint32_t)s->bytes,
                         .p_memsz = (uint32_t)s->bytes, .p_align = 4096};
        memcpy(eh.e_ident, ELFMAG "\1\1\1", 7);
        fwrite(&eh, sizeof eh, 1, f);
        fwrite(&ph, sizeof ph, 1, f);
    }
    fseek(f, 4096, SEEK_SET);
    fwrite(s->image, 1, s->bytes, f);
    fclose(f);
    chmod(path, 0755);
}

/* Run the program in the directory; true if it ended well. */
static bool reference_run(struct run *r, const char *cpu)
{
    char line[4096];
    int status;

    snprintf(line, sizeof line, "%s -cpu %s %s/p > %s/out 2>%s/err",
             r->command, cpu, r->directory, r->directory, r->directory);
    status = system(line);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool reference_output(struct run *r, const struct stream *s,
                             uint8_t *out)
{
    char path[128];
    FILE *f;
    size_t n;

    snprintf(path, sizeof path, "%s/p", r->directory);
    put_file(path, r->arch, s);
    if (!reference_run(r, r->cpu))
        return false;
    snprintf(path, sizeof path, "%s/out", r->directory);
    f = fopen(path, "rb");
    n = f ? fread(out, 1, s->out_bytes, f) : 0;
    if (f)
        fclose(f);
    return n == s->out_bytes;
}

/* One instruction at a time: what the reference's optimiser gets wrong (we
 * met such in 11.1) is not asked for. The option's name has changed. */
static const char *const step_options[] = {"-one-insn-per-tb", "-singlestep",
                                           ""};
#define N_STEP_OPTIONS (sizeof step_options / sizeof step_options[0])

/* Make sure that the reference runs, and find the features it has. */
static bool reference_probe(struct run *r, struct stream *s)
{
    const char *given = getenv(r->arch->reference_env);
    char path[128], cpu[512];
    bool runs = false;

    snprintf(r->cpu, sizeof r->cpu, "%s", r->arch->reference_cpu);
    s->n_blocks = 0;
    r->arch->generate(s);
    snprintf(path, sizeof path, "%s/p", r->directory);
    put_file(path, r->arch, s);
    for (uint32_t i = 0; i < N_STEP_OPTIONS && !runs; i++) {
        snprintf(r->command, sizeof r->command, "%s %s",
                 given ? given : r->arch->reference, step_options[i]);
        runs = reference_run(r, r->cpu);
    }
    if (!runs)
        return false;
    for (uint32_t i = 0; r->arch->features[i]; i++) {
        int n;
        if (!(r->features >> i & 1))
            continue;
        n = snprintf(cpu, sizeof cpu, "%s,%s=true", r->cpu,
                         r->arch->features[i]);
        if (n < (int)sizeof cpu && reference_run(r, cpu))
            memcpy(r->cpu, cpu, sizeof cpu);
        else
            r->features &= ~(1ull << i);
    }
    return true;
}

/* ---- a program on every side ---- */

static bool accel_output(struct run *r, struct side *side,
                         const struct stream *s, uint8_t *out)
{
    uint64_t value;
    int result;

    memcpy(cpu_memory(side->machine, s->base, s->bytes), s->image, s->bytes);
    cpu_set(side->machine, "pc", s->base);
    r->arch->start(side->machine, s);
    cpu_changed(side->machine);
    result = cpu_run(side->machine, 0, 120, &value);
    memcpy(out, cpu_memory(side->machine, s->out, s->out_bytes), s->out_bytes);
    if (result != CPU_FINISHED)
        printf("%s: %s, pc = %#llx\n", side->name,
               result == CPU_TIMEOUT ? "does not end" : "failed",
               (unsigned long long)cpu_get(side->machine, "pc"));
    return result == CPU_FINISHED;
}

static void report(const struct run *r, const struct stream *s,
                   const struct side *a, const struct side *b)
{
    uint64_t at = 0, block, in_block;
    char what[64];

    while (a->out[at] == b->out[at])
        at++;
    at &= ~7ull;
    block = at / s->per_block;
    in_block = at % s->per_block;
    if (block >= s->n_blocks) {
        printf("seed %llu: memory differs at %#llx\n",
               (unsigned long long)s->seed, (unsigned long long)(s->out + at));
        return;
    }
    r->arch->name_output(in_block, what, sizeof what);
    printf("%s, seed %llu, block %llu: %s is", r->arch->name,
           (unsigned long long)s->seed, (unsigned long long)block, what);
    for (uint32_t i = 0; i < r->n_sides; i++) {
        uint64_t v;
        memcpy(&v, r->side[i].out + at, sizeof v);
        printf(" %#llx (%s)", (unsigned long long)v, r->side[i].name);
    }
    printf("\n");
    r->arch->list(s, s->block_start[block], s->block_end[block]);
}

/* True if all sides agree. */
static bool one_program(struct run *r, struct stream *s, uint64_t seed)
{
    bool ok = true;

    s->seed = seed;
    s->features = r->features;
    s->n_insns = 0;
    r->arch->generate(s);
    for (uint32_t i = 0; i < r->n_sides; i++) {
        struct side *side = &r->side[i];
        side->out = realloc(side->out, s->out_bytes + 8);
        memset(side->out, 0, s->out_bytes + 8);
        if (side->accel)
            ok &= accel_output(r, side, s, side->out);
        else if (!reference_output(r, s, side->out)) {
            printf("%s did not end well\n", side->name);
            ok = false;
        }
    }
    for (uint32_t i = 1; i < r->n_sides; i++)
        if (memcmp(r->side[0].out, r->side[i].out, s->out_bytes)) {
            report(r, s, &r->side[0], &r->side[i]);
            return false;
        }
    r->insns += s->n_insns;
    r->programs++;
    return ok;
}

/* ---- setting up ---- */

static bool plugin_there(const char *plugin)
{
    const char *top = getenv("TENON_TOP_BUILDDIR");
    char path[4096];

    snprintf(path, sizeof path, "%s/plugins/%s/.libs/%s.so", top ? top : ".",
             plugin, plugin);
    return access(path, R_OK) == 0;
}

static void add_accels(struct run *r)
{
    static const char *const accels[] = {"accel-interp", "accel-tcg"};

    for (uint32_t i = 0; i < 2; i++) {
        struct side *side = &r->side[r->n_sides];
        if (!plugin_there(accels[i]))
            continue;
        side->name = side->accel = accels[i];
        side->setup = (struct cpu_setup){
            .target_plugin = r->arch->target_plugin,
            .accel_plugin = accels[i],
            .properties = r->arch->properties,
            .n_properties = r->arch->n_properties,
            .ram_base = RAM_BASE,
            .ram_bytes = RAM_BYTES,
        };
        side->machine = cpu_machine_new(&side->setup);
        if (!side->machine)
            exit(1);
        r->n_sides++;
    }
}

struct options {
    uint64_t programs, seed;
    uint32_t blocks, insns;
    const char *only;    /* architecture, NULL: all */
    const char *without; /* feature that is left out, or NULL */
};

static int run_arch(const struct stream_arch *arch, const struct options *o)
{
    struct run r = {.arch = arch, .features = UINT64_MAX,
                    .directory = "/tmp/tenon-stream-XXXXXX"};
    struct stream s = {.base = RAM_BASE};
    uint32_t blocks = o->blocks;
    char line[128];
    bool ok = true;

    if (!plugin_there(arch->target_plugin)) {
        printf("SKIP: %s was not built\n", arch->target_plugin);
        return SKIP;
    }
    s.image = malloc(STREAM_IMAGE_MAX);
    s.block_start = calloc(blocks + 1, sizeof *s.block_start);
    s.block_end = calloc(blocks + 1, sizeof *s.block_end);
    s.insns = o->insns;
    for (uint32_t i = 0; o->without && arch->features[i]; i++)
        if (!strcmp(o->without, arch->features[i]))
            r.features &= ~(1ull << i);
    if (!mkdtemp(r.directory))
        return 1;
    add_accels(&r);
    if (reference_probe(&r, &s))
        r.side[r.n_sides++].name = arch->reference;
    else
        printf("%s: no reference (%s)\n", arch->name, r.command);
    if (r.n_sides < 2) {
        printf("SKIP: %s has nothing to be compared with\n", arch->name);
        return SKIP;
    }
    s.n_blocks = blocks;
    for (uint64_t i = 0; ok && i < o->programs; i++)
        ok = one_program(&r, &s, o->seed + i);
    printf("%s: %llu random instructions in %llu programs agree on",
           arch->name, (unsigned long long)r.insns,
           (unsigned long long)r.programs);
    for (uint32_t i = 0; i < r.n_sides; i++) {
        printf(" %s", r.side[i].name);
        if (r.side[i].machine)
            cpu_machine_free(r.side[i].machine);
        free(r.side[i].out);
    }
    printf("\n");
    snprintf(line, sizeof line, "rm -rf %s", r.directory);
    if (ok && system(line))
        perror(line);
    free(s.block_start);
    free(s.block_end);
    free(s.image);
    return !ok;
}

int stream_main(int argc, char **argv, const struct stream_arch *const *archs,
                uint32_t n_archs)
{
    struct options o = {.programs = 4, .seed = 1, .blocks = 200, .insns = 60};
    int result = SKIP, option;

    while ((option = getopt(argc, argv, "n:b:i:s:m:x:")) != -1) {
        uint64_t value = optarg ? strtoull(optarg, NULL, 0) : 0;
        switch (option) {
        case 'n':
            o.programs = value;
            break;
        case 'b':
            o.blocks = (uint32_t)value;
            break;
        case 'i':
            o.insns = (uint32_t)value;
            break;
        case 's':
            o.seed = value;
            break;
        case 'm':
            o.only = optarg;
            break;
        case 'x':
            o.without = optarg;
            break;
        default:
            fprintf(stderr,
                    "usage: %s [-m ARCH] [-x FEATURE] [-n PROGRAMS] "
                    "[-b BLOCKS] [-i INSTRUCTIONS] [-s SEED]\n",
                    argv[0]);
            return 1;
        }
    }
    for (uint32_t i = 0; i < n_archs; i++) {
        int r;
        if (o.only && strcmp(o.only, archs[i]->name))
            continue;
        r = run_arch(archs[i], &o);
        if (r != SKIP)
            result = result == SKIP ? r : result | r;
    }
    return result;
}
