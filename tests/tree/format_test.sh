#!/bin/sh
# Every C file is laid out as .clang-format says; `make format` does it. Skipped where clang-format 14 is not installed:
# another version lays out otherwise.
set -eu
command -v clang-format-14 >/dev/null || { echo 'skipped: no clang-format-14'; exit 77; }
cd "$SOURCE"
wrong=$(find src cli python include tests bench examples \( -name '*.c' -o -name '*.h' -o -name '*.cc' \) -print0 |
    xargs -0 clang-format-14 --dry-run 2>&1 | sed -n 's/:.*\[-Wclang-format-violations\]$//p' | sort -u)
[ -z "$wrong" ] || { echo 'not laid out as .clang-format says; make format does it:' && echo "$wrong"; }
[ -z "$wrong" ]
