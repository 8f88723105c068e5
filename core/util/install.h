/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where things are: installed, or in the build tree that the program stands in.
 * A file "tenon-build-tree" beside the program says that it was not installed.
 * Strings live as long as the process.
 */
#ifndef TENON_CORE_UTIL_INSTALL_H
#define TENON_CORE_UTIL_INSTALL_H

/* The source and build directories, or NULL if the program is installed. */
const char *tn_build_tree_source(void);
const char *tn_build_tree_build(void);

/* Installed places: $libdir/tenon/plugins/1 and $datadir/tenon. */
const char *tn_installed_plugins(void);
const char *tn_installed_data(void);

#endif
