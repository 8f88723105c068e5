# SPDX-License-Identifier: Apache-2.0
# Tenon's own configure macros: plugins, compiler flags.
#
# Adding a plugin is its directory and one line in plugins/plugins.am. Each
# line there, "include plugins/NAME/plugin.am", gives here, when configure is
# made:
#   --enable-NAME / --disable-NAME   and   AM_CONDITIONAL PLUGIN_<NAME>
# and if plugins/NAME/plugin.m4 exists it is included, to say what the plugin
# needs with the TENON_PLUGIN_REQUIRES macros below. <NAME> is NAME in
# capitals with "_" for "-".

# The names of all plugins, separated by commas.
m4_define([_TENON_PLUGIN_NAMES],
    [m4_esyscmd([grep '^include plugins/' plugins/plugins.am |
                 cut -d/ -f2 | paste -sd, | tr -d '\n'])])

# Includes plugins/NAME/plugin.m4 if there is one. aclocal reads this file as
# text and must not take the pattern for a file's name, hence the %s; automake
# sees the expansion, and distributes and watches the file.
m4_define([_TENON_PLUGIN_M4],
    [m4_esyscmd([f=plugins/$1/plugin.m4; ! test -f $f ||
                 printf 'm4_%s(%s)' include $f])])

m4_define([_TENON_UPPER], [m4_toupper(m4_translit([$1], [-], [_]))])
m4_define([_TENON_LOWER], [m4_translit([$1], [-], [_])])

# TENON_PLUGINS
# Options, checks and conditionals of every plugin.
AC_DEFUN([TENON_PLUGINS],
[AC_ARG_ENABLE([all-plugins],
    [AS_HELP_STRING([--disable-all-plugins],
        [build no plugin but those asked for by --enable-NAME])],
    [], [enable_all_plugins=auto])
m4_foreach([_tn_name], [_TENON_PLUGIN_NAMES],
    [_TENON_PLUGIN(_tn_name)])])

m4_define([_TENON_PLUGIN],
[# $1
AC_ARG_ENABLE([$1], [AS_HELP_STRING([--disable-$1], [leave out plugin $1])],
    [], [AS_IF([test "x$enable_all_plugins" = xno],
        [enable_[]_TENON_LOWER([$1])=no],
        [enable_[]_TENON_LOWER([$1])=auto])])
tn_missing=
_TENON_PLUGIN_M4([$1])
AS_CASE([$enable_[]_TENON_LOWER([$1])],
    [no], [tn_plugin_[]_TENON_LOWER([$1])="no (disabled)"],
    [AS_IF([test "x$tn_missing" = x],
        [tn_plugin_[]_TENON_LOWER([$1])=yes],
        [test "x$enable_[]_TENON_LOWER([$1])" = xauto],
        [tn_plugin_[]_TENON_LOWER([$1])="no ($tn_missing)"],
        [AC_MSG_ERROR([--enable-$1 was given, but: $tn_missing])])])
AM_CONDITIONAL([PLUGIN_]_TENON_UPPER([$1]),
    [test "x$tn_plugin_[]_TENON_LOWER([$1])" = xyes])
])

# Notes that something is missing; says so for the first thing only.
m4_define([_TENON_MISSING],
    [AS_IF([test "x$tn_missing" = x], [tn_missing="$1"])])

# Runs $2 unless plugin $1 was disabled.
m4_define([_TENON_IF_WANTED],
    [AS_IF([test "x$enable_[]_TENON_LOWER([$1])" != xno], [$2])])

# TENON_PLUGIN_REQUIRES(PLUGIN, PKG-CONFIG MODULES, [DEBIAN PACKAGE])
# Sets <PLUGIN>_CFLAGS and <PLUGIN>_LIBS (capitals) for the plugin's fragment.
# The package's name defaults to lib<module>-dev.
AC_DEFUN([TENON_PLUGIN_REQUIRES],
[_TENON_IF_WANTED([$1],
    [PKG_CHECK_MODULES(_TENON_UPPER([$1]), [$2], [],
        [_TENON_MISSING([_TENON_LIBNAME([$2]) missing; Debian: ]m4_default(
            [$3], [_TENON_LIBNAME([$2])-dev]))])])])

# "slirp >= 4.7" is libslirp, "libzstd" is libzstd.
m4_define([_TENON_LIBNAME],
    [_TENON_ADD_LIB(m4_bregexp([$1], [^[^ ]*], [\&]))])
m4_define([_TENON_ADD_LIB], [m4_if(m4_substr([$1], 0, 3), [lib], [], [lib])$1])

# TENON_PLUGIN_REQUIRES_LIB(PLUGIN, LIBRARY, FUNCTION, HEADER, DEBIAN PACKAGE)
# For libraries without a pkg-config file. Sets <PLUGIN>_LIBS.
AC_DEFUN([TENON_PLUGIN_REQUIRES_LIB],
[_TENON_IF_WANTED([$1],
    [TENON_CHECK_LIB(_TENON_UPPER([$1]), [$2], [$3], [$4], [],
        [_TENON_MISSING([lib$2 missing; Debian: $5])])])])

# TENON_PLUGIN_REQUIRES_HEADER(PLUGIN, HEADER, DEBIAN PACKAGE)
AC_DEFUN([TENON_PLUGIN_REQUIRES_HEADER],
[_TENON_IF_WANTED([$1],
    [AC_CHECK_HEADER([$2], [],
        [_TENON_MISSING([$2 missing; Debian: $3])])])])

# TENON_PLUGIN_REQUIRES_HOST(PLUGIN, HOST CPU PATTERNS, [WHAT])
# The plugin exists only on hosts of these CPUs, as in "x86_64|aarch64".
AC_DEFUN([TENON_PLUGIN_REQUIRES_HOST],
[AS_CASE([$host_cpu], [$2], [],
    [_TENON_MISSING([m4_default([$3], [needs a host CPU of $2]), ]dnl
[this is $host_cpu])])])

# TENON_PLUGIN_WITH(PLUGIN, LIBRARY, PKG-CONFIG MODULES, WHAT FOR, PACKAGE)
# A library the plugin can do without: --with-LIBRARY, --without-LIBRARY. Where
# it is used, <LIBRARY>_CFLAGS, which define HAVE_<LIBRARY>, and _LIBS are set.
AC_DEFUN([TENON_PLUGIN_WITH],
[AC_ARG_WITH([$2], [AS_HELP_STRING([--with-$2],
        [$4 (plugin $1; default: if it is there)])],
    [], [with_[]_TENON_LOWER([$2])=auto])
tn_with_[]_TENON_LOWER([$2])=no
_TENON_IF_WANTED([$1],
    [AS_IF([test "x$with_[]_TENON_LOWER([$2])" != xno],
        [PKG_CHECK_MODULES(_TENON_UPPER([$2]), [$3],
            [tn_with_[]_TENON_LOWER([$2])=yes
             AS_VAR_APPEND(_TENON_UPPER([$2])_CFLAGS,
                 [" -DHAVE_]_TENON_UPPER([$2])[=1"])],
            [AS_IF([test "x$with_[]_TENON_LOWER([$2])" != xauto],
                [AC_MSG_ERROR([--with-$2 was given, but $2 is missing ]dnl
[(Debian: $5)])])])])])])

# TENON_PLUGINS_SUMMARY
AC_DEFUN([TENON_PLUGINS_SUMMARY],
[m4_foreach([_tn_name], [_TENON_PLUGIN_NAMES],
    [AS_ECHO(["    _tn_name: $tn_plugin_[]_TENON_LOWER(_tn_name)"])
])AS_ECHO([""])])

# TENON_CHECK_LIB(VARIABLE, LIBRARY, FUNCTION, HEADER, [IF FOUND], [IF NOT])
# Sets and substitutes <VARIABLE>_LIBS; leaves LIBS alone.
AC_DEFUN([TENON_CHECK_LIB],
[AC_CHECK_HEADER([$4],
    [AC_CHECK_LIB([$2], [$3], [$1_LIBS="-l$2"], [$1_LIBS=])], [$1_LIBS=])
AC_SUBST([$1_LIBS])
AS_IF([test "x$$1_LIBS" != x], [m4_default([$5], [:])], [$6])])

# TENON_ABI_VERSION(VARIABLE, MACRO)
# Reads a number from plugin-api/tenon/abi.h.
AC_DEFUN([TENON_ABI_VERSION],
[$1=`$SED -n 's/^@%:@define $2 \(@<:@0-9@:>@*\)u\{0,1\}$/\1/p' \
    "$srcdir/plugin-api/tenon/abi.h"`
AS_IF([test "x$$1" = x],
    [AC_MSG_ERROR([plugin-api/tenon/abi.h does not define $2])])
AC_SUBST([$1])])

# TENON_C11: the sources are C11 with GNU attributes.
AC_DEFUN([TENON_C11],
[AC_MSG_CHECKING([whether $CC takes -std=gnu11 with __atomic and __int128])
tn_save_CFLAGS=$CFLAGS
CFLAGS="$CFLAGS -std=gnu11"
AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[_Static_assert(1, "");]],
    [[unsigned __int128 x = 1; int y = 0;
      __atomic_store_n(&y, (int)x, __ATOMIC_RELEASE); return y;]])],
    [AC_MSG_RESULT([yes])],
    [AC_MSG_RESULT([no])
     AC_MSG_ERROR([Tenon needs gcc or clang, of 64 bits])])
CFLAGS=$tn_save_CFLAGS
TN_CFLAGS="-std=gnu11 -fvisibility=hidden -fno-strict-aliasing"
# Exclusives and wide atomics need the 16-byte compare and exchange.
AS_CASE([$host_cpu], [x86_64], [AS_VAR_APPEND([TN_CFLAGS], [" -mcx16"])])
TN_CPPFLAGS="-D_GNU_SOURCE -D_FILE_OFFSET_BITS=64"])

# TENON_WARNINGS: -Werror is on in a git checkout, off in a tarball, where
# tomorrow's compiler must not stop anyone from building today's release.
AC_DEFUN([TENON_WARNINGS],
[AC_ARG_ENABLE([werror],
    [AS_HELP_STRING([--enable-werror],
        [treat warnings as errors (default: in a git checkout)])],
    [], [AS_IF([test -e "$srcdir/.git"],
        [enable_werror=yes], [enable_werror=no])])
AS_VAR_APPEND([TN_CFLAGS], [" -Wall -Wextra"])
AS_IF([test "x$enable_werror" != xno],
    [AS_VAR_APPEND([TN_CFLAGS], [" -Werror"])])])

# TENON_SANITIZERS
AC_DEFUN([TENON_SANITIZERS],
[AC_ARG_ENABLE([sanitizers],
    [AS_HELP_STRING([--enable-sanitizers],
        [address and undefined behaviour sanitizers; the first finding ends the
         program])],
    [], [enable_sanitizers=no])
AS_IF([test "x$enable_sanitizers" != xno],
    [tn_san="-fsanitize=address,undefined -fno-sanitize-recover=all"
     AS_VAR_APPEND([TN_CFLAGS], [" $tn_san -fno-omit-frame-pointer"])
     AS_VAR_APPEND([TN_LDFLAGS], [" $tn_san"])
     AC_DEFINE([TN_SANITIZERS], [1], [Built with the sanitizers.])],
    [# Sanitizers leave symbols of their run time to the program.
     PLUGIN_NO_UNDEFINED="-Wl,-z,defs"])
AC_SUBST([PLUGIN_NO_UNDEFINED])
AM_CONDITIONAL([SANITIZERS], [test "x$enable_sanitizers" != xno])])
