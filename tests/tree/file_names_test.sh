#!/bin/sh
# No two sources share a file name, and none is named after nothing in particular.
set -eu
cd "$SOURCE"
sources() { find src cli python include tests bench examples tools -type f \( -name '*.c' -o -name '*.cc' -o -name '*.h' -o -name '*.sh' \); }
twice=$(sources | sed 's|.*/||' | LC_ALL=C sort | uniq -d)
vague=$(sources | grep -E '/(util|utils|helper|helpers|common|misc|manager)(_[^/]*)?\.[^/]*$' || true)
unheaded=$(find src include cli python -name '*.h' | while read -r header; do
    head -n 1 "$header" | grep -q '^/\*' || echo "$header"
done)
[ -z "$twice" ] || { echo 'file names that stand twice in the tree:' && echo "$twice"; }
[ -z "$vague" ] || { echo 'files named after nothing in particular:' && echo "$vague"; }
[ -z "$unheaded" ] || { echo 'headers that do not open with what they are for:' && echo "$unheaded"; }
[ -z "$twice$vague$unheaded" ]
