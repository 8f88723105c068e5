dnl SPDX-License-Identifier: Apache-2.0
TENON_PLUGIN_REQUIRES([fmt-qcow], [zlib], [zlib1g-dev])
