#!/bin/sh
# Installs into an empty folder far from the tree, moves it, and builds and runs the examples from there, found once by
# find_package and once by pkg-config. Both folders have a space in their names.
set -eu
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"$CMAKE" --install "$BUILD" --prefix "$scratch/first place" >"$scratch/log"
mv "$scratch/first place" "$scratch/second place"
prefix="$scratch/second place"
cp -r "$SOURCE/examples" "$scratch/examples"
cd "$scratch"

echo '== find_package'
"$CMAKE" -S examples -B by-cmake -G Ninja -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$CC" >>"$scratch/log" 2>&1 ||
    { tail -n 20 "$scratch/log"; exit 1; }
"$CMAKE" --build by-cmake >>"$scratch/log" 2>&1 || { tail -n 20 "$scratch/log"; exit 1; }

echo '== what find_package finds, and what it must not'
mkdir asks
ask() { # WHAT, as written behind the package's name
    printf 'cmake_minimum_required(VERSION 3.25)\nproject(asks LANGUAGES NONE)\nfind_package(attn %s REQUIRED)\n' "$1" >asks/CMakeLists.txt
    "$CMAKE" -S asks -B "asks/$1" -DCMAKE_PREFIX_PATH="$prefix" >"$scratch/log" 2>&1
}
refuse() { # WHAT WORDS: it is not found, and these words say why
    if ask "$1"; then
        echo "find_package(attn $1) found this version"
        exit 1
    fi
    tr -s ' \n' ' ' <"$scratch/log" | grep -q "$2" || { echo "find_package(attn $1) says not: $2"; cat "$scratch/log"; exit 1; }
}
for asked in '' 0.1 0.1.0 '0.1 COMPONENTS attn'; do
    ask "$asked" || { cat "$scratch/log"; exit 1; }
done
for asked in 0.0 0.2 0.1.99 1; do
    refuse "$asked" "compatible with requested version \"$asked\""
done
refuse '0.1 COMPONENTS decoration' 'built without the component decoration'
for component in attn_static:libattn.a attnseq:libattnseq.so; do
    if [ -n "$(find "$prefix" -name "${component#*:}")" ]; then
        ask "0.1 COMPONENTS ${component%:*}" || { cat "$scratch/log"; exit 1; }
    else
        refuse "0.1 COMPONENTS ${component%:*}" "built without the component ${component%:*}"
    fi
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
    "$PKG_CONFIG" --exists "$library" || { echo "$library is not built: $name neither"; continue; }
    eval "\"$CC\" -Wall -Wextra -Werror $source $("$PKG_CONFIG" --cflags --libs "$library") -lm -o by-pkg-config/$name"
done

LD_LIBRARY_PATH=$(dirname "$(find "$prefix" -name 'libattn.so')")
export LD_LIBRARY_PATH
models=$(find "$prefix" -path '*/attn/models/*' -name config.json)
run() { echo "== $*"; "$@"; }
for way in by-cmake by-pkg-config; do
    run "$way/attend"
    run "$way/shared_prefix"
    "$PKG_CONFIG" --exists attnseq || continue
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
