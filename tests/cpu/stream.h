/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random instruction streams: the frame.
 *
 * An architecture's part fills an image with blocks of random instructions.
 * Each block loads all registers from random values, executes, and stores all
 * registers to an output area; the program ends by a system call that writes
 * the output area. The same image runs bare on each accelerator, where that
 * last system call traps into the image's finish code, and as a static user
 * program on an independent emulator. The outputs must agree to the bit.
 */
#ifndef STREAM_H
#define STREAM_H

#include "cpu-host.h"

#define STREAM_IMAGE_MAX (32u << 20)

struct stream {
    uint8_t *image;
    uint64_t base;   /* its address */
    uint64_t bytes;  /* used */
    uint64_t finish; /* address of the code that ends a bare run */
    uint64_t out, out_bytes; /* output area (address) */
    uint64_t per_block;      /* bytes of it a block writes, from `out` on */
    uint64_t *block_start;   /* address of each block's first random one */
    uint64_t *block_end;
    uint32_t n_blocks, insns; /* asked for: blocks, instructions in each */
    uint64_t n_insns;         /* made: random instructions */
    uint64_t features;        /* of the architecture's list */
    uint64_t seed;
};

struct stream_arch {
    const char *name;
    const char *target_plugin;
    const char *const *properties;
    uint32_t n_properties;
    const char *reference_env; /* variable with the reference's command */
    const char *reference;     /* its default */
    const char *reference_cpu; /* -cpu NAME */
    /* Optional features: property names of the target and of the reference,
     * ended by NULL; bit N of stream.features is number N. */
    const char *const *features;
    uint32_t elf_class, elf_machine, elf_flags;
    void (*generate)(struct stream *s);
    /* Registers for a bare run; pc is set by the frame. */
    void (*start)(struct cpu_machine *m, const struct stream *s);
    /* What is at byte OFFSET of a block's output. */
    void (*name_output)(uint64_t offset, char *text, size_t bytes);
    /* Print the instructions of [from, to). */
    void (*list)(const struct stream *s, uint64_t from, uint64_t to);
};

static inline uint64_t stream_random(uint64_t *seed)
{
    uint64_t x = *seed += 0x9e3779b97f4a7c15ull;

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ x >> 27) * 0x94d049bb133111ebull;
    return x ^ x >> 31;
}

int stream_main(int argc, char **argv, const struct stream_arch *const *archs,
                uint32_t n_archs);

#endif
