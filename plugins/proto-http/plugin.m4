dnl SPDX-License-Identifier: Apache-2.0
TENON_PLUGIN_REQUIRES([proto-http], [libcurl >= 7.74], [libcurl4-gnutls-dev])
