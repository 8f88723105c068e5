# SPDX-License-Identifier: Apache-2.0
# Sourced: a private apt for another suite and architecture, beside the
# machine's own, which stays untouched. Needs no root. The mirror is the one
# this machine's apt uses ($TENON_MIRROR overrides it).

say() { echo "${0##*/}: $*" >&2; }
die() { say "$*"; exit 1; }

# apt_init SUITE ARCH STATE-DIRECTORY
apt_init() {
    APT_SUITE=$1 APT_ARCH=$2
    mkdir -p "$3/lists/partial" "$3/cache/archives/partial" "$3/no-lists/partial"
    APT_STATE=$(cd "$3" && pwd)
    : >> "$APT_STATE/status"
    _mirror=${TENON_MIRROR:-$(apt_mirror)}
    [ -n "$_mirror" ] ||
        die "apt on this machine names no mirror (set TENON_MIRROR)"
    APT_MIRROR=$_mirror
    APT_STAMP=$APT_STATE/indexed-$APT_SUITE-$APT_ARCH
    APT_SOURCES=$APT_STATE/sources-$APT_SUITE-$APT_ARCH.list
    _name=$(cat "$APT_STAMP" 2>/dev/null || :)
    apt_sources "${_name:-$APT_SUITE}"
}

# apt_sources NAME-OF-THE-SUITE
apt_sources() {
    _key=
    for _k in pgp gpg; do
        _f=/usr/share/keyrings/debian-archive-keyring.$_k
        [ ! -r "$_f" ] || _key=" signed-by=$_f"
    done
    echo "deb [arch=$APT_ARCH$_key] $APT_MIRROR $1 main" > "$APT_SOURCES"
}

# Asking apt what "update" would fetch covers every form of its configuration
# and works before any update was made.
apt_mirror() {
    apt-get -q --print-uris -o Dir::State::lists="$APT_STATE/no-lists" \
        update 2>/dev/null | sed -n "s,^'\(.*\)/dists/.*,\1,p" |
        grep -v -i -e security -e backports | grep /debian | head -n 1
}

# apt_run apt-get|apt-cache ARGUMENTS
apt_run() {
    _tool=$1
    shift
    DEBIAN_FRONTEND=noninteractive "$_tool" -q -o APT::Get::Assume-Yes=true \
        -o Dir::Etc::sourcelist="$APT_SOURCES" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null \
        -o Dir::State="$APT_STATE" -o Dir::State::lists="$APT_STATE/lists" \
        -o Dir::State::status="$APT_STATE/status" \
        -o Dir::Cache="$APT_STATE/cache" -o APT::Sandbox::User= \
        -o APT::Architecture="$APT_ARCH" -o APT::Architectures="$APT_ARCH" \
        -o Acquire::Languages=none -o Acquire::PDiffs=false \
        -o Acquire::Retries=3 -o APT::Install-Recommends=false \
        -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false \
        -o APT::Get::List-Cleanup=false -o Debug::NoLocking=true "$@"
}

# apt_update NAME: the index of the suite by that name, if it is that suite.
apt_update() {
    apt_sources "$1"
    apt_run apt-get update > "$APT_STATE/update.log" 2>&1 || :
    ! grep -E '^(E:|Err)' "$APT_STATE/update.log" >&2 || return 1
    [ "$1" = "$APT_SUITE" ] ||
        grep -q "^Codename: $APT_SUITE\$" \
            "$APT_STATE"/lists/*_dists_"$1"_InRelease || return 1
    echo "$1" > "$APT_STAMP"
}

# Fetches the index unless it is less than a day old. A mirror in the middle
# of its own update has new signatures beside old lists, and apt refuses them;
# then the suite may still be whole under its other name.
apt_index() {
    [ -z "$(find "$APT_STAMP" -mmin -1440 2>/dev/null)" ] || return 0
    say "fetching the package index of $APT_SUITE for $APT_ARCH"
    ! apt_update "$APT_SUITE" || return 0
    for _name in stable oldstable testing; do
        say "$APT_SUITE can't be had from the mirror now; is it $_name?"
        ! apt_update "$_name" || return 0
    done
    die "apt-get update failed"
}

# apt_field PACKAGE FIELD: of the newest version.
apt_field() {
    apt_run apt-cache show --no-all-versions "$1" 2>/dev/null |
        sed -n "s/^$2: //p" | head -n 1
}

# apt_fetch DIRECTORY PACKAGE...: downloads just these packages.
apt_fetch() {
    mkdir -p "$1"
    ( cd "$1" && shift && apt_run apt-get download "$@" > /dev/null ) ||
        die "could not download: $*"
}

# apt_unpack DIRECTORY DEB...
apt_unpack() {
    _to=$1
    shift
    mkdir -p "$_to"
    for _deb in "$@"; do
        dpkg-deb -x "$_deb" "$_to"
    done
}
