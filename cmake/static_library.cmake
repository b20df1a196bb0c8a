# libattn.a, for who embeds the operator: all of its objects linked into one, in which only what attn.symbols names is still
# global. The inner names have no prefix, and an archive of the objects as they are would hand them all to the program.
#
# The compiler links, as it knows the architecture's linker and makes code of objects that wait for link-time optimization;
# of the flags it is told those that matter to this, since a sanitizer's would bring its runtime in.
separate_arguments(flags NATIVE_COMMAND "${CMAKE_C_COMPILER_ARG1} ${CMAKE_C_FLAGS} ${CMAKE_SHARED_LINKER_FLAGS}")
list(FILTER flags INCLUDE REGEX "^(-m|-B|-fuse-ld=|-flto|--target=)")
if(CMAKE_C_COMPILER_TARGET)
  list(APPEND flags ${CMAKE_C_COMPILE_OPTIONS_TARGET}${CMAKE_C_COMPILER_TARGET})
endif()
if(CMAKE_C_COMPILER_ID STREQUAL GNU)
  list(APPEND flags -flinker-output=nolto-rel) # machine code, whose names can be hidden
elseif(CMAKE_INTERPROCEDURAL_OPTIMIZATION)
  list(APPEND flags ${CMAKE_C_LINK_OPTIONS_IPO})
endif()

get_property(kernel_objects GLOBAL PROPERTY ATTN_KERNEL_OBJECTS)
set(objects $<TARGET_OBJECTS:attn> ${kernel_objects} $<TARGET_OBJECTS:base>)
set(folder ${PROJECT_BINARY_DIR}/static)
get_property(many_configurations GLOBAL PROPERTY GENERATOR_IS_MULTI_CONFIG)
if(many_configurations)
  string(APPEND folder -$<CONFIG>)
endif()
file(GENERATE OUTPUT ${folder}/objects CONTENT "\"$<JOIN:${objects},\"\n\">\"\n") # too many for a command line in a deep folder
add_custom_command(OUTPUT ${folder}/attn.o
  COMMAND ${CMAKE_C_COMPILER} ${flags} -r -nostdlib -o ${folder}/all.o @${folder}/objects
  COMMAND ${CMAKE_OBJCOPY} --keep-global-symbols=${PROJECT_SOURCE_DIR}/cmake/attn.symbols ${folder}/all.o ${folder}/attn.o
  COMMAND ${CMAKE_COMMAND} -E rm ${folder}/all.o
  DEPENDS ${objects} ${folder}/objects ${PROJECT_SOURCE_DIR}/cmake/attn.symbols
  COMMENT "Linking libattn's objects into one, and hiding its inner names"
  VERBATIM)

add_library(attn_static STATIC ${folder}/attn.o)
add_library(attn::attn_static ALIAS attn_static)
add_dependencies(attn_static attn) # its objects; one of Make's files knows none of another's
set_target_properties(attn_static PROPERTIES OUTPUT_NAME attn LINKER_LANGUAGE C
  ARCHIVE_OUTPUT_DIRECTORY ${CMAKE_LIBRARY_OUTPUT_DIRECTORY})
target_include_directories(attn_static INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
# By name or flag: a path may be another one where it is used, and find_package(OpenMP) there may find another compiler's.
target_link_libraries(attn_static INTERFACE ${left_to_link})
