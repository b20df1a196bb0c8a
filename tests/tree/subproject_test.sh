#!/bin/sh
# Another project may add this tree to its own, and link libattn by the names that an installed one has.
set -eu
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cat >"$scratch/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.25)
project(outer LANGUAGES C)
set(ATTN_SEQ OFF)
add_subdirectory("$SOURCE" attn)
add_executable(attend "$SOURCE/examples/attend.c")
target_link_libraries(attend attn::attn)
if(ATTN_STATIC)
  add_executable(embedding "$SOURCE/examples/attend.c")
  target_link_libraries(embedding attn::attn_static)
endif()
END
"$CMAKE" -S "$scratch" -B "$scratch/build" -G Ninja -DCMAKE_C_COMPILER="$CC" >"$scratch/log" 2>&1 ||
    { cat "$scratch/log"; exit 1; }
