/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fuzz target is one file with these functions. Linked with fuzz-main.c it is
 * a test that tries a fixed row of inputs; linked with libFuzzer
 * (-fsanitize=fuzzer) it is that.
 */
#ifndef TENON_TESTS_FUZZ_FUZZ_H
#define TENON_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* One input; returns 0. A crash, leak or sanitizer report is a find. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A good input to begin with, or NULL past the last. Free with g_free(). */
uint8_t *fuzz_seed(unsigned int index, size_t *size);

/* Words to put in; ends with NULL. */
extern const char *const fuzz_words[];

#endif
