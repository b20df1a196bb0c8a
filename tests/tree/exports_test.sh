#!/bin/sh
# Each library exports exactly what its list in cmake/ names, and its header declares.
set -eu
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0

# The names that a header marks with ATTN_API: the identifier before the parameter list, across lines.
declared() {
    tr '\n' ' ' <"$1" | sed 's/ATTN_API/\n&/g' | sed -n 's/^ATTN_API [^(]*[ *]\(attn_[a-z0-9_]*\)(.*/\1/p' | LC_ALL=C sort
}

compare() { # LIBRARY HEADER
    "$NM" -D --defined-only "$BUILD/lib/lib$1.so" | awk '{print $3}' | LC_ALL=C sort >"$scratch/exported"
    declared "$SOURCE/include/attn/$2" >"$scratch/declared"
    grep -v '^#' "$SOURCE/cmake/$1.symbols" | LC_ALL=C sort >"$scratch/listed"
    for against in declared listed; do
        if ! diff "$scratch/$against" "$scratch/exported" >"$scratch/difference"; then
            echo "lib$1: $against (<) and exported (>) symbols differ; the list is cmake/$1.symbols, the header $2:"
            grep '^[<>]' "$scratch/difference"
            failed=1
        fi
    done
}

compare attn attn.h
[ ! -e "$BUILD/lib/libattnseq.so" ] || compare attnseq seq.h
exit $failed
