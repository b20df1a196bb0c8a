#!/bin/sh
# The programs of doc/c.md, each behind the page's first block, compile without a warning, do nothing undefined that the
# compiler can check (it traps, which wants no library) and print what stands under them.
set -eu
cd "$SOURCE"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
awk -v scratch="$scratch" '
    /^```c$/ {file = sprintf("%s/%02d.c", scratch, programs++); next}
    /^```text$/ {file = sprintf("%s/%02d.expected", scratch, programs - 1); next}
    /^```/ {file = ""}
    file {print > file}' doc/c.md
beginning=$scratch/00.c
failed=0
programs=0
[ ! -e "$scratch/00.expected" ] || { echo 'doc/c.md: what the first program prints has no program'; failed=1; }
for program in "$scratch"/*.c; do
    [ "$program" = "$beginning" ] && continue
    name=${program%.c}
    programs=$((programs + 1))
    { cat "$beginning" && echo && cat "$program"; } >"$name.whole.c"
    "$CC" -std=c11 -Wall -Wextra -Werror -O2 -fsanitize=undefined -fsanitize-undefined-trap-on-error \
        -I include "$name.whole.c" -L "$BUILD/lib" -lattn -lm -Wl,-rpath,"$BUILD/lib" -o "$name" && "$name" >"$name.printed" &&
        diff "$name.expected" "$name.printed" || { echo "doc/c.md: program $programs" && failed=1; }
done
[ $programs -gt 0 ] || { echo 'doc/c.md: no program'; failed=1; }
exit $failed
