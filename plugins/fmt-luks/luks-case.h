/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of LUKS images share. */
#ifndef TENON_FMT_LUKS_CASE_H
#define TENON_FMT_LUKS_CASE_H

#include "core/block/secret.h"
#include "tests/image/kind.h"

#define PASSWORD "correct horse"
#define MIB (1u << 20)

struct luks_test {
    struct image_test t;
    struct tn_component_entry *entry;
    struct block_secrets *secrets;
    struct tn_value *values; /* of the open image */
};

/* Secrets: key0 is PASSWORD, which opens; key1 "battery staple"; wrong. */
void luks_case_begin(struct luks_test *l);
void luks_case_end(struct luks_test *l);
/* A property of the image for the next opening. */
void luks_set(struct luks_test *l, const char *name, const char *text);
/* 0 or an errno. */
int32_t luks_case_open(struct luks_test *l, uint32_t flags,
                       struct tn_error *error);
/* OPTIONS "a=b,c=d" besides the key. */
void luks_case_make(struct luks_test *l, const char *options, uint64_t bytes);
/* The model is what the image has now. */
void luks_take_model(struct luks_test *l);
/* The model as file NAME in the test's directory. */
void luks_write_model(struct luks_test *l, const char *name);
gboolean luks_has_program(const char *name);
/* A header of luksFormat with these OPTIONS. FALSE: it is not installed. */
gboolean luks_cryptsetup_make(struct luks_test *l, const char *options);
/* The reference tool sees what the model has. */
void luks_reference_compare(struct luks_test *l);

#endif
