# What `make install` lays down, and what makes it found: find_package(attn) and pkg-config.
include(CMakePackageConfigHelpers)

set(attn_libraries attn)
if(ATTN_SEQ)
  list(APPEND attn_libraries attnseq)
  # The command finds its libraries and models beside itself, wherever the tree is moved; in the build too.
  file(RELATIVE_PATH bin_to_lib /${CMAKE_INSTALL_BINDIR} /${CMAKE_INSTALL_LIBDIR})
  set_target_properties(attn-cli PROPERTIES INSTALL_RPATH "$ORIGIN/${bin_to_lib}")
  set_target_properties(attnseq PROPERTIES INSTALL_RPATH "$ORIGIN")
  install(TARGETS attn-cli RUNTIME)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/models DESTINATION ${CMAKE_INSTALL_DATADIR}/attn)
  file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/share/attn)
  file(CREATE_LINK ${PROJECT_SOURCE_DIR}/models ${PROJECT_BINARY_DIR}/share/attn/models SYMBOLIC)
endif()
install(TARGETS ${attn_libraries} EXPORT attn LIBRARY)
install(FILES include/attn/attn.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/attn)
if(ATTN_SEQ)
  install(FILES include/attn/seq.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/attn)
endif()

set(package_directory ${CMAKE_INSTALL_LIBDIR}/cmake/attn)
install(EXPORT attn NAMESPACE attn:: DESTINATION ${package_directory} FILE attn-targets.cmake)
configure_package_config_file(cmake/attn-config.cmake.in ${PROJECT_BINARY_DIR}/attn-config.cmake
  INSTALL_DESTINATION ${package_directory} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/attn-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/attn-config.cmake ${PROJECT_BINARY_DIR}/attn-config-version.cmake
  DESTINATION ${package_directory})

# The .pc files say where they are themselves, so that an installed tree may be moved.
file(RELATIVE_PATH pc_to_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" pc_to_prefix ${pc_to_prefix})
foreach(library ${attn_libraries})
  configure_file(cmake/${library}.pc.in ${PROJECT_BINARY_DIR}/${library}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/${library}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()
