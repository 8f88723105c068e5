/* SPDX-License-Identifier: Apache-2.0 */
/* A registry with components that exist as notes alone, for tests of machine
 * files. */
#ifndef TENON_CORE_CONFIG_TEST_COMPONENTS_H
#define TENON_CORE_CONFIG_TEST_COMPONENTS_H

#include "core/plugin/registry.h"

/* Free with tn_registry_free(). Its index says that package
 * tenon-dev-virtio-rng has the component virtio-rng. */
struct tn_registry *test_registry(void);

#endif
