#!/bin/sh
# Installs into an empty folder far from the tree, moves it, and builds and runs the examples from there, found once by
# find_package and once by pkg-config.
set -eu
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"$CMAKE" --install "$BUILD" --prefix "$scratch/first" >"$scratch/log"
mv "$scratch/first" "$scratch/moved"
prefix=$scratch/moved
cp -r "$SOURCE/examples" "$scratch/examples"
cd "$scratch"

echo '== find_package'
"$CMAKE" -S examples -B by-cmake -G Ninja -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$CC" >>"$scratch/log" 2>&1 ||
    { tail -n 20 "$scratch/log"; exit 1; }
"$CMAKE" --build by-cmake >>"$scratch/log" 2>&1 || { tail -n 20 "$scratch/log"; exit 1; }

echo '== what find_package must not find'
mkdir asks
for asked in '0.0' '0.2' '0.1 COMPONENTS decoration'; do
    printf 'cmake_minimum_required(VERSION 3.25)\nproject(asks LANGUAGES NONE)\nfind_package(attn %s REQUIRED)\n' "$asked" >asks/CMakeLists.txt
    if "$CMAKE" -S asks -B "asks/$asked" -DCMAKE_PREFIX_PATH="$prefix" >"$scratch/log" 2>&1; then
        echo "find_package(attn $asked) found this version"
        exit 1
    fi
    grep -q "attn" "$scratch/log" || { cat "$scratch/log"; exit 1; }
done

echo '== pkg-config'
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name attn.pc)")
export PKG_CONFIG_PATH
mkdir by-pkg-config
for source in examples/*.c; do
    name=$(basename "$source" .c)
    # An example says in its first lines how it is compiled; the library it names there is the one it needs.
    library=$(sed -n 's/.*pkg-config --cflags --libs \([a-z]*\)).*/\1/p' "$source" | head -n 1)
    [ -n "$library" ] || { echo "$source does not say how it is compiled"; exit 1; }
    # shellcheck disable=SC2046
    "$CC" -Wall -Wextra -Werror "$source" $("$PKG_CONFIG" --cflags --libs "$library") -lm -o "by-pkg-config/$name"
done

LD_LIBRARY_PATH=$(dirname "$(find "$prefix" -name 'libattn.so')")
export LD_LIBRARY_PATH
models=$(find "$prefix/share/attn/models" -mindepth 1 -name config.json)
run() { echo "== $*"; "$@"; }
for way in by-cmake by-pkg-config; do
    run "$way/attend"
    run "$way/shared_prefix"
    if [ -n "$models" ]; then run "$way/translate_sentence"; else echo "== no model is installed: not translated"; fi
    i=0
    while [ $i -lt 20 ]; do
        printf 'good\ta warm and funny film\nbad\ta dull mess of a film\n'
        i=$((i + 1))
    done >examples.tsv
    run "$way/learn_labels" examples.tsv "$way-model" | tail -n 2
    run "$way/classify_input" 'a warm film' "$way-model" | tee "$way.out"
    grep -q '^\* good' "$way.out" || { echo "expected good"; exit 1; }
done

unset LD_LIBRARY_PATH
if [ -e "$prefix/bin/attn" ]; then
    echo '== the installed command'
    "$prefix/bin/attn" --version
fi
