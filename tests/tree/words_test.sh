#!/bin/sh
# Nothing in the tree knows the machine it was written on, or is left half done.
set -eu
cd "$SOURCE"
search() { # PATTERN: text files of the tree, this one aside
    grep -rnIE "$1" --exclude=words_test.sh --exclude=.git --exclude-dir=build --exclude-dir=.git . || true
}
paths=$(search '(^|[^A-Za-z0-9_.$}])/(work|farm|home|root|opt|Users)/[A-Za-z]')
unfinished=$(search '\b(TODO|FIXME|XXX|HACK)\b')
[ -z "$paths" ] || { echo 'paths of some machine:' && echo "$paths"; }
[ -z "$unfinished" ] || { echo 'unfinished work:' && echo "$unfinished"; }
[ -z "$paths$unfinished" ]
