dnl SPDX-License-Identifier: Apache-2.0
TENON_PLUGIN_REQUIRES([fmt-luks], [libgcrypt >= 1.10 json-glib-1.0], [libgcrypt20-dev libjson-glib-dev])
