dnl SPDX-License-Identifier: Apache-2.0
TENON_PLUGIN_REQUIRES([fmt-qcow2], [zlib libzstd], [zlib1g-dev libzstd-dev])
