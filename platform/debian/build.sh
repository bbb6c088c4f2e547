#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds the packages that `control` describes, with Debian's flags and in Debian's folders. cpack runs it; by hand:
#   sh platform/debian/build.sh FOLDER VERSION [ARGUMENT-OF-CMAKE...]
# FOLDER gets the packages, and everything that is needed on the way. Each package is a component of the build's install
# rules and a little more, finished by dpkg's own tools. Root is not needed.
set -eu

die() {
    echo "platform/debian/build.sh: $*" >&2
    exit 1
}

[ $# -ge 2 ] || die "FOLDER and VERSION are missing"
mkdir -p "$1"
folder=$(cd "$1" && pwd)
version=$2
shift 2
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
for tool in dpkg-buildflags dpkg-shlibdeps dpkg-gensymbols dpkg-gencontrol dpkg-deb strip; do
    command -v "$tool" >/dev/null || die "$tool is missing: apt-get install dpkg-dev binutils"
done
full_version=$(dpkg-parsechangelog -l "$here/changelog" -S Version)
[ "${full_version%-*}" = "$version" ] || die "changelog: begins with $full_version, but this is gcalloc $version"

# The same sources make the same packages, whenever and wherever.
SOURCE_DATE_EPOCH=$(dpkg-parsechangelog -l "$here/changelog" -S Timestamp)
export SOURCE_DATE_EPOCH LC_ALL=C
umask 022
cd "$top" # which dpkg-buildflags takes out of names in the output
# Optimisation is the build's own, and symbols for debuggers would be stripped again.
flags=$(DEB_BUILD_MAINT_OPTIONS=hardening=+all DEB_CFLAGS_MAINT_STRIP='-g -O2' DEB_CXXFLAGS_MAINT_STRIP='-g -O2' \
    dpkg-buildflags --export=sh)
eval "$flags"
CFLAGS="$CFLAGS $CPPFLAGS" CXXFLAGS="$CXXFLAGS $CPPFLAGS" cmake -S "$top" -B "$folder/build" -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_INSTALL_PREFIX=/usr -DGCALLOC_BUILD_TESTS=OFF -DGCALLOC_BUILD_BENCH=OFF "$@"
cmake --build "$folder/build" --parallel "$(nproc)"

# dpkg's tools look for debian/ where they are.
cd "$folder"
ln -sfn "$here" debian

install_component() {
    rm -rf "$1" "$1.substvars"
    DESTDIR=$folder/$1 cmake --install build --component "$2" >/dev/null
    documents=$1/usr/share/doc/$1
    mkdir -p "$1/DEBIAN" "$documents"
    cp "$here/changelog" "$documents/changelog.Debian"
    # The licence's text is in one place.
    { cat "$here/copyright" && sed -n '3,$ { s/^$/./; s/^/ /; p; }' "$top/LICENSE"; } >"$documents/copyright"
    find "$1/usr/share" -type f \( -name changelog.Debian -o -path '*/man/*' \) -exec gzip -9n {} +
}

strip_files() {
    find "$1/usr" -type f -name '*.so.*' -exec strip --strip-unneeded --remove-section=.comment --remove-section=.note {} +
    find "$1/usr" -type f -name '*.a' -exec strip --strip-debug --enable-deterministic-archives \
        --remove-section=.comment --remove-section=.note {} +
    find "$1/usr" -type f -path '*/bin/*' -exec strip --remove-section=.comment --remove-section=.note {} +
}

# What the libraries export, with the first version that did: 0.1.0, or what a comment behind the name says.
#     gca_new; /* since 0.2.0 */
symbols() {
    for library in gcalloc gcalloc_core; do
        echo "lib$library.so.0 libgcalloc0 #MINVER#"
        echo "* Build-Depends-Package: libgcalloc-dev"
        sed -n -e '/local:/q' -e 's|^ *\(\w*\); */\* since \(.*\) \*/$| \1@Base \2|p' -e 's|^ *\(\w*\);.*$| \1@Base 0.1.0|p' \
            "$top/src/api/$library.exports"
    done
}

describe_library() {
    symbols >libgcalloc0.symbols
    dpkg-gensymbols -c4 -plibgcalloc0 -Plibgcalloc0 -v"$full_version" -Ilibgcalloc0.symbols -Olibgcalloc0/DEBIAN/symbols
    for library in libgcalloc libgcalloc_core; do
        echo "$library 0 libgcalloc0 (>= $version)"
    done >libgcalloc0/DEBIAN/shlibs
    cp "$here/libgcalloc0.triggers" libgcalloc0/DEBIAN/triggers
}

finish() {
    find "$1/usr" -type f \( -name '*.so.*' -o -path '*/bin/*' \) -exec dpkg-shlibdeps -T"$1.substvars" {} +
    dpkg-gencontrol -p"$1" -P"$1" -ffiles -T"$1.substvars"
    (cd "$1" && find usr -type f -exec md5sum {} + | LC_ALL=C sort -k 2 >DEBIAN/md5sums)
    chmod -R go=rX "$1"
    dpkg-deb --root-owner-group --build "$1" . >/dev/null
}

install_component libgcalloc0 library
install_component libgcalloc-dev development
install_component gcalloc command
for package in libgcalloc0 libgcalloc-dev gcalloc; do
    strip_files "$package"
done
describe_library
for package in libgcalloc0 libgcalloc-dev gcalloc; do
    finish "$package"
done
