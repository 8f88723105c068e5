dnl SPDX-License-Identifier: Apache-2.0
TENON_PLUGIN_REQUIRES([fmt-qcow2], [zlib libzstd], [zlib1g-dev libzstd-dev])
dnl libdeflate expands compressed clusters faster than zlib; it is not needed.
AC_ARG_WITH([libdeflate],
    [AS_HELP_STRING([--without-libdeflate],
        [expand compressed clusters with zlib only])],
    [], [with_libdeflate=auto])
AS_IF([test "x$with_libdeflate" != xno],
    [PKG_CHECK_MODULES([LIBDEFLATE], [libdeflate >= 1.5],
        [LIBDEFLATE_CFLAGS="$LIBDEFLATE_CFLAGS -DHAVE_LIBDEFLATE=1"],
        [AS_IF([test "x$with_libdeflate" = xyes],
            [AC_MSG_ERROR([libdeflate missing; Debian: libdeflate-dev])])])])
dnl ISA-L compresses clusters several times faster than our own encoder.
AC_ARG_WITH([isal],
    [AS_HELP_STRING([--without-isal],
        [compress clusters with our own deflate encoder only])],
    [], [with_isal=auto])
AS_IF([test "x$with_isal" != xno],
    [PKG_CHECK_MODULES([ISAL], [libisal >= 2.26],
        [ISAL_CFLAGS="$ISAL_CFLAGS -DHAVE_ISAL=1"],
        [AS_IF([test "x$with_isal" = xyes],
            [AC_MSG_ERROR([ISA-L missing; Debian: libisal-dev])])])])
