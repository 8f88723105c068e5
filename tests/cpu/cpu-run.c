/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpu-run TARGET ACCEL [-p target.NAME=VALUE | accel.NAME=VALUE]... FILE...
 * Runs bare-metal ELF programs one after the other, each on a fresh machine,
 * until they write their result to the finisher or to `tohost`. Prints a line
 * for each that does not pass; fails if one did not.
 */
#include "cpu-host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PROPERTIES 32
#define FINISHER_PASS 0x5555u
#define TOHOST_PASS 1u

static bool run_one(const struct cpu_setup *setup, const char *file)
{
    struct cpu_machine *m = cpu_machine_new(setup);
    uint64_t tohost = 0, value = 0, entry;
    int r;

    if (!m)
        exit(1);
    entry = cpu_load_elf(m, file, &tohost);
    if (!entry) {
        cpu_machine_free(m);
        return false;
    }
    cpu_set(m, "pc", entry);
    cpu_changed(m);
    r = cpu_run(m, tohost, 20, &value);
    if (r == CPU_TIMEOUT)
        printf("%s: no end after 20 s, pc = %#llx\n", file,
               (unsigned long long)cpu_get(m, "pc"));
    else if (r == CPU_FAILED)
        printf("%s: the accelerator failed\n", file);
    else if (value != FINISHER_PASS && value != TOHOST_PASS)
        printf("%s: result %#llx (test %llu)\n", file,
               (unsigned long long)value, (unsigned long long)value >> 1);
    cpu_machine_free(m);
    return r == CPU_FINISHED &&
           (value == FINISHER_PASS || value == TOHOST_PASS);
}

int main(int argc, char **argv)
{
    const char *properties[MAX_PROPERTIES];
    struct cpu_setup setup = {.properties = properties,
                              .ram_base = 0x80000000u,
                              .ram_bytes = 64u << 20};
    unsigned passed = 0, failed = 0;
    int i;

    if (argc < 4) {
        fprintf(stderr, "usage: cpu-run TARGET ACCEL [-p PROPERTY]... FILE...\n");
        return 1;
    }
    setup.target_plugin = argv[1];
    setup.accel_plugin = argv[2];
    for (i = 3; i + 1 < argc && !strcmp(argv[i], "-p"); i += 2)
        if (setup.n_properties < MAX_PROPERTIES)
            properties[setup.n_properties++] = argv[i + 1];
    for (; i < argc; i++) {
        if (run_one(&setup, argv[i]))
            passed++;
        else
            failed++;
    }
    printf("%s on %s: %u passed, %u failed\n", setup.target_plugin,
           setup.accel_plugin, passed, failed);
    return failed != 0;
}
