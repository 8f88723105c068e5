/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of this directory: a host that keeps the last error. */
#ifndef TENON_CRYPTO_CASE_H
#define TENON_CRYPTO_CASE_H

#include "crypto/crypto.h"

extern struct tn_host host;
extern char last_error[512];

#endif
