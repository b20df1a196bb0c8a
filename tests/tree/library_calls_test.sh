#!/bin/sh
# A library never prints, exits or aborts: its objects do not call what does.
set -eu
forbidden='exit|_exit|_Exit|quick_exit|abort|__assert_fail|printf|vprintf|puts|putchar|perror|__printf_chk|__vprintf_chk|stdout|stderr'
status=0
for library in "$BUILD"/lib/libattn.so "$BUILD"/lib/libattnseq.so; do
    [ -e "$library" ] || continue
    calls=$("$NM" -D --undefined-only "$library" | awk '{sub(/@.*/, "", $NF); print $NF}' | grep -xE "$forbidden" || true)
    [ -z "$calls" ] || { echo "$(basename "$library") refers to:" $calls; status=1; }
done
exit $status
