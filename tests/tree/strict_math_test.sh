#!/bin/sh
# A build whose floating point is not strict is refused, by each flag that would change what is computed.
set -eu
compile() { # FLAGS...
    echo '#include "kernels/simd.h"' |
        "$CC" -x c -std=gnu11 -I "$SOURCE/include" -I "$SOURCE/src" -DKERNEL_SCALAR "$@" -fsyntax-only - 2>&1
}
compile -O2 || { echo 'a strict build is refused'; exit 1; }
for flag in -ffast-math -Ofast -ffinite-math-only; do
    if printed=$(compile "$flag"); then
        echo "$flag is taken"
        exit 1
    fi
    echo "$printed" | grep -q 'build without -ffast-math' || { echo "$flag: $printed"; exit 1; }
done
