/* SPDX-License-Identifier: Apache-2.0 */
/* pmpcfg fields. Privileged manual, "Physical Memory Protection CSRs". */
#ifndef RISCV_PMP_H
#define RISCV_PMP_H

#define PMP_R 0x01u
#define PMP_W 0x02u
#define PMP_X 0x04u
#define PMP_A 0x18u
#define PMP_A_OFF 0x00u
#define PMP_A_TOR 0x08u
#define PMP_A_NA4 0x10u
#define PMP_A_NAPOT 0x18u
#define PMP_L 0x80u

#endif
