dnl SPDX-License-Identifier: Apache-2.0
dnl TLS is optional: PROTO_NBD_CFLAGS and _LIBS are empty without gnutls
dnl (Debian: libgnutls28-dev).
PKG_CHECK_MODULES([PROTO_NBD], [gnutls >= 3.6],
    [PROTO_NBD_CFLAGS="$PROTO_NBD_CFLAGS -DHAVE_GNUTLS=1"], [:])
