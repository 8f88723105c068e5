dnl SPDX-License-Identifier: Apache-2.0
TENON_PLUGIN_REQUIRES([fmt-vmdk], [zlib], [zlib1g-dev])
