#!/bin/sh
# Installs by DESTDIR and links the installed libattn.a, whose only global names are the exported ones: into a program that
# gives every inner name a meaning of its own, into a shared library, and without any shared library at all.
set -eu
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
DESTDIR="$scratch/a stage" "$CMAKE" --install "$BUILD" --prefix /usr/local >"$scratch/log"
prefix="$scratch/a stage/usr/local"
archive=$(find "$prefix" -name libattn.a)
PKG_CONFIG_PATH=$(dirname "$archive")/pkgconfig
export PKG_CONFIG_PATH
cp "$SOURCE/examples/attend.c" "$scratch"
cd "$scratch"

echo '== the global names'
grep -v '^#' "$SOURCE/cmake/attn.symbols" | LC_ALL=C sort >listed
"$NM" -g --defined-only "$archive" | awk 'NF == 3 {print $3}' | LC_ALL=C sort | diff listed - ||
    { echo 'listed in cmake/attn.symbols (<), global in libattn.a (>)'; exit 1; }

# Functions and data by the library's inner names; what ends the program if the library takes one for its own.
"$NM" "$archive" | awk '
    BEGIN {print "#include <stdlib.h>"}
    NF != 3 || $3 !~ /^[A-Za-z_][A-Za-z0-9_]*$/ || seen[$3]++ {next}
    $2 == "t" {print "void " $3 "(void);\nvoid " $3 "(void) { abort(); }"}
    $2 ~ /^[bdr]$/ {print "extern int " $3 ";\nint " $3 " = 0;"}' >clashing.c
for name in forward_lanes_step_scalar status_fail parallel_run; do
    grep -q "void $name(void)" clashing.c || { echo "$name is no inner name of libattn.a"; exit 1; }
done

echo '== find_package: a program that defines them too'
cat >CMakeLists.txt <<'CMAKE'
cmake_minimum_required(VERSION 3.16)
project(embedding LANGUAGES C)
find_package(attn 0.1 REQUIRED COMPONENTS attn_static)
add_executable(attend attend.c clashing.c)
target_link_libraries(attend attn::attn_static)
CMAKE
"$CMAKE" -S . -B by-cmake -G Ninja -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$CC" -DCMAKE_C_FLAGS=-fno-builtin >log 2>&1 &&
    "$CMAKE" --build by-cmake >>log 2>&1 || { tail -n 20 log; exit 1; }
by-cmake/attend >expected
"$NM" -u by-cmake/attend | grep attn_ && { echo 'attend wants a shared libattn'; exit 1; }

others=$("$PKG_CONFIG" --static --libs attn | sed 's/-lattn //')
echo '== pkg-config: the archive by its path'
eval "\"$CC\" attend.c clashing.c -fno-builtin $("$PKG_CONFIG" --cflags attn) \"$archive\" $others -o by-path"
./by-path | diff expected -

echo '== a shared library that keeps libattn to itself'
echo '#include <attn/attn.h>
const char *outer_version(void);
const char *outer_version(void) { return attn_version(); }' >outer.c
eval "\"$CC\" -shared -fPIC outer.c $("$PKG_CONFIG" --cflags attn) \"$archive\" -Wl,--exclude-libs,libattn.a \
    -Wl,-z,text -Wl,-z,defs $others -o libouter.so"
[ "$("$NM" -D --defined-only libouter.so | awk '{print $3}')" = outer_version ] || { "$NM" -D --defined-only libouter.so; exit 1; }

echo '== pkg-config --static: a program without shared libraries'
echo 'int main(void) { return 0; }' >empty.c
if eval "\"$CC\" -static empty.c $others -o empty" 2>log; then
    eval "\"$CC\" -static attend.c $("$PKG_CONFIG" --static --cflags --libs attn) -o alone"
    ./alone | diff expected -
else
    echo 'this system has no static C library, or this compiler no static OpenMP: not linked'
fi
