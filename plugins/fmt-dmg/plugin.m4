dnl SPDX-License-Identifier: Apache-2.0
TENON_PLUGIN_REQUIRES([fmt-dmg], [zlib], [zlib1g-dev])
dnl Without these two (Debian: libbz2-dev, liblzma-dev) their chunks are refused.
TENON_CHECK_LIB([FMT_DMG_BZ2], [bz2], [BZ2_bzBuffToBuffDecompress], [bzlib.h],
    [FMT_DMG_CFLAGS="$FMT_DMG_CFLAGS -DHAVE_BZ2=1"
     FMT_DMG_LIBS="$FMT_DMG_LIBS $FMT_DMG_BZ2_LIBS"])
PKG_CHECK_MODULES([FMT_DMG_LZMA], [liblzma],
    [FMT_DMG_CFLAGS="$FMT_DMG_CFLAGS -DHAVE_LZMA=1"
     FMT_DMG_LIBS="$FMT_DMG_LIBS $FMT_DMG_LZMA_LIBS"], [:])
