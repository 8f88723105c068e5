/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ELF files as firmware and kernels: program headers only.
 */
#ifndef TENON_CORE_MACHINE_ELF_LOAD_H
#define TENON_CORE_MACHINE_ELF_LOAD_H

#include <stdint.h>

#include <tenon/boot.h>

#include "core/util/error.h"

struct tn_machine;

/* As tn_boot_services.load_elf(). */
int32_t elf_load(struct tn_machine *machine, const void *data, uint64_t bytes,
                 uint64_t offset, struct tn_elf_image *image,
                 struct tn_error *error);

#endif
