# The instruction sets that bodies are built for beside the plain one, and each one's flags. No other file sees the flags:
# it must run on any CPU of the architecture. src/cpu says at run time which set may be used.
set(ATTN_INSTRUCTION_SETS "")
set(ATTN_PAIR_SETS "") # those that multiply pairs of bf16
set(ATTN_TILE_SETS "") # those that multiply tiles of bf16
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  set(ATTN_INSTRUCTION_SETS avx2 avx512)
  set(ATTN_PAIR_SETS avx512bf16)
  set(ATTN_TILE_SETS amx)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
  set(ATTN_INSTRUCTION_SETS neon)
endif()
set(ATTN_FLAGS_avx2 -mavx2 -mfma -mf16c)
set(ATTN_FLAGS_avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma)
set(ATTN_FLAGS_avx512bf16 ${ATTN_FLAGS_avx512} -mavx512bf16 -mavx512vnni)
set(ATTN_FLAGS_amx ${ATTN_FLAGS_avx512bf16} -mamx-tile -mamx-bf16)
set(ATTN_FLAGS_neon "") # every compiler for aarch64 may use it anyway

# Adds <prefix>_<set>.c of the calling directory to the target for each set. Their loops are the compiler's to make vectors of:
# it is told to take the whole width. What comes with the architecture the plain build has already.
function(attn_sources_per_set target prefix)
  foreach(set ${ATTN_INSTRUCTION_SETS})
    set(flags ${ATTN_FLAGS_${set}})
    if(NOT flags)
      continue()
    endif()
    if(set STREQUAL avx512)
      list(APPEND flags -mprefer-vector-width=512)
    endif()
    target_sources(${target} PRIVATE ${prefix}_${set}.c)
    set_source_files_properties(${prefix}_${set}.c TARGET_DIRECTORY ${target} PROPERTIES COMPILE_OPTIONS "${flags}")
  endforeach()
endfunction()
