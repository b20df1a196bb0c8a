#!/bin/sh
# Each public header compiles alone, as C11 and as C++11, without a word.
set -eu
for header in attn/attn.h attn/seq.h; do
    for language in 'c c11' 'c++ c++11'; do
        set -- $language
        compiler=$CC
        [ "$1" = c ] || compiler=${CXX:-c++} # a build of libattn alone has asked for no C++ compiler
        printf '#include <%s>\nint main(void) { return 0; }\n' "$header" |
            "$compiler" -x "$1" -std="$2" -Wall -Wextra -Wpedantic -Werror -I "$SOURCE/include" -fsyntax-only - ||
            { echo "$header does not compile alone as $2"; exit 1; }
    done
done
