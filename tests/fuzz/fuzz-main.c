/* SPDX-License-Identifier: Apache-2.0 */
/* The bounded run: changed seeds, the same ones every time. The environment
 * variable TENON_FUZZ_RUNS asks for more than a test takes. */
#include "tests/fuzz/fuzz.h"

#include <glib.h>
#include <stdio.h>
#include <string.h>

#define RUNS 1500u
#define MOST_CHANGES 6u

static uint64_t random_state = 0x9e3779b97f4a7c15;

/* xorshift64*: the same numbers on every host. */
static uint32_t random_below(uint32_t limit)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (uint32_t)((random_state * 0x2545f4914f6cdd1d) >> 33) % limit;
}

static void put_word(GByteArray *input)
{
    uint32_t n = 0;
    const char *word;
    uint32_t at = random_below(input->len + 1);
    guint old = input->len;
    gsize bytes;

    while (fuzz_words[n])
        n++;
    if (!n)
        return;
    word = fuzz_words[random_below(n)];
    bytes = strlen(word);
    g_byte_array_set_size(input, old + (guint)bytes);
    memmove(input->data + at + bytes, input->data + at, old - at);
    memcpy(input->data + at, word, bytes);
}

static void put_number(GByteArray *input)
{
    static const uint32_t numbers[] = {
        0, 1, 0x7f, 0x80000000, 0x7fffffff, 0xffffffff, 0xfffffff8, 4096};
    uint32_t number = numbers[random_below(G_N_ELEMENTS(numbers))];

    if (input->len >= sizeof number)
        memcpy(input->data + random_below(input->len - 3), &number,
               sizeof number);
}

static void cut_out(GByteArray *input)
{
    uint32_t from = random_below(input->len);
    uint32_t bytes = random_below(MIN(input->len - from, 64));

    g_byte_array_remove_range(input, from, bytes);
}

static void change(GByteArray *input)
{
    if (!input->len)
        return;
    switch (random_below(5)) {
    case 0:
        input->data[random_below(input->len)] = (uint8_t)random_below(256);
        break;
    case 1:
        put_word(input);
        break;
    case 2:
        put_number(input);
        break;
    case 3:
        cut_out(input);
        break;
    default:
        if (!random_below(8))
            g_byte_array_set_size(input, random_below(input->len));
    }
}

/* A copy of its very size, so that the sanitizer sees one byte too many. */
static void try_input(const uint8_t *data, size_t size)
{
    g_autofree uint8_t *copy = g_malloc(size + !size);

    if (size)
        memcpy(copy, data, size);
    (void)LLVMFuzzerTestOneInput(copy, size);
}

int main(void)
{
    const char *more = g_getenv("TENON_FUZZ_RUNS");
    guint64 runs = more ? g_ascii_strtoull(more, NULL, 10) : RUNS;
    unsigned int n = 0;
    size_t size;

    for (uint8_t *seed; (seed = fuzz_seed(n, &size)); n++) {
        try_input(seed, size);
        g_free(seed);
    }
    for (guint64 i = 0; n && i < runs; i++) {
        uint8_t *seed = fuzz_seed(random_below(n), &size);
        GByteArray *input = g_byte_array_new_take(seed, size);

        for (uint32_t j = random_below(MOST_CHANGES) + 1; j; j--)
            change(input);
        try_input(input->data, input->len);
        g_byte_array_free(input, TRUE);
    }
    printf("%" G_GUINT64_FORMAT " inputs from %u seeds\n", runs, n);
    return n ? 0 : 77;
}
