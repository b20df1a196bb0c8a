#!/bin/sh
# What the README shows is there and works: its C example compiles and runs, its files and make targets exist, and its
# Chinese twin says the same: as many headings, table rows and links, and the same code.
set -eu
cd "$SOURCE"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0
complain() { echo "$1"; failed=1; }

block() { awk -v fence="\`\`\`$2" '$0 == fence {on = 1; next} /^```/ {on = 0} on' "$1"; }
blocks() { awk '/^```/ {on = !on; print; next} on' "$1"; }
shape() { blocks "$1" >/dev/null; awk '/^```/ {on = !on} !on && /^#/ {print length($1)} !on && /^\|/ {print "row"}' "$1"; }
links() { grep -oE '\]\([^)]*\)' "$1" | grep -v 'README' | LC_ALL=C sort; }

block README.md c >"$scratch/first.c"
"$CC" -std=c11 -Wall -Wextra -Werror -I include "$scratch/first.c" -L "$BUILD/lib" -lattn -Wl,-rpath,"$BUILD/lib" -o "$scratch/first" &&
    "$scratch/first" >/dev/null || complain "README.md: the C example does not compile and run"

for readme in README.md README.zh-CN.md; do
    for target in $(grep -oE '\]\([^):]*\)' "$readme" | sed 's/](\(.*\))/\1/'); do
        [ -e "$target" ] || complain "$readme: no $target"
    done
    for target in $(grep -oE '\bmake [a-z-]+' "$readme" | awk '{print $2}' | sort -u); do
        grep -qE "^$target:" Makefile || complain "$readme: no make target $target"
    done
done
[ "$(blocks README.md | sed 's/ *#.*//')" = "$(blocks README.zh-CN.md | sed 's/ *#.*//')" ] ||
    complain 'the code of README.md and README.zh-CN.md differs'
[ "$(shape README.md)" = "$(shape README.zh-CN.md)" ] || complain 'headings or tables of the READMEs differ'
[ "$(links README.md)" = "$(links README.zh-CN.md)" ] || complain 'links of the READMEs differ'

if [ -x "$BUILD/bin/attn" ]; then
    for command in $(sed -n 's/^| `attn \([a-z]*\).*/\1/p' README.md); do
        "$BUILD/bin/attn" help "$command" >/dev/null 2>&1 || complain "README.md: no command attn $command"
    done
    for command in $("$BUILD/bin/attn" help | awk '/^Commands:/ {on = 1; next} /^$/ {on = 0} on {print $1}'); do
        grep -q "^| \`attn $command" README.md || complain "README.md does not tell about attn $command"
    done
fi
exit $failed
