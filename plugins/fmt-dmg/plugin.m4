dnl SPDX-License-Identifier: Apache-2.0
TENON_PLUGIN_REQUIRES([fmt-dmg], [zlib], [zlib1g-dev])
dnl Without these two (Debian: libbz2-dev, liblzma-dev) their chunks are refused.
TENON_CHECK_LIB([FMT_DMG_BZ2], [bz2], [BZ2_bzBuffToBuffDecompress], [bzlib.h],
    [FMT_DMG_CFLAGS="$FMT_DMG_CFLAGS -DHAVE_BZ2=1"
     FMT_DMG_LIBS="$FMT_DMG_LIBS $FMT_DMG_BZ2_LIBS"])
PKG_CHECK_MODULES([FMT_DMG_LZMA], [liblzma],
    [FMT_DMG_CFLAGS="$FMT_DMG_CFLAGS -DHAVE_LZMA=1"
     FMT_DMG_LIBS="$FMT_DMG_LIBS $FMT_DMG_LZMA_LIBS"], [:])
dnl Apple's library has no pkg-config file, and not every distribution has it.
AC_ARG_WITH([lzfse], [AS_HELP_STRING([--with-lzfse],
    [LZFSE chunks (plugin fmt-dmg; default: if it is there)])],
    [], [with_lzfse=auto])
AS_IF([test "x$with_lzfse" != xno],
    [TENON_CHECK_LIB([FMT_DMG_LZFSE], [lzfse], [lzfse_decode_buffer], [lzfse.h],
        [FMT_DMG_CFLAGS="$FMT_DMG_CFLAGS -DHAVE_LZFSE=1"
         FMT_DMG_LIBS="$FMT_DMG_LIBS $FMT_DMG_LZFSE_LIBS"],
        [AS_IF([test "x$with_lzfse" != xauto],
            [AC_MSG_ERROR([--with-lzfse was given, but liblzfse is missing])])])])
