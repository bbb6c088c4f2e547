# SPDX-License-Identifier: MIT
# What is installed, and how other builds find it: CMake package and pkg-config files. The components are packages of
# distributions: library is what programs need, development what compilers need, command the rest (cli/CMakeLists.txt).
include(CMakePackageConfigHelpers)

install(TARGETS gcalloc gcalloc_static gcalloc_core gcalloc_core_static EXPORT gcalloc-targets
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library NAMELINK_COMPONENT development
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
install(FILES ${PROJECT_SOURCE_DIR}/include/gcalloc.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/gcalloc DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development
    FILES_MATCHING PATTERN "*.h")

# gcalloc::gcalloc, gcalloc::core and their static twins.
set_target_properties(gcalloc_static PROPERTIES EXPORT_NAME gcalloc_static)
set_target_properties(gcalloc_core PROPERTIES EXPORT_NAME core)
set_target_properties(gcalloc_core_static PROPERTIES EXPORT_NAME core_static)
set(CMAKE_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/gcalloc)
install(EXPORT gcalloc-targets NAMESPACE gcalloc:: DESTINATION ${CMAKE_PACKAGE_DIR} COMPONENT development)
file(WRITE ${PROJECT_BINARY_DIR}/gcallocConfig.cmake
    "include(CMakeFindDependencyMacro)\nfind_dependency(Threads)\n"
    "include(\"\${CMAKE_CURRENT_LIST_DIR}/gcalloc-targets.cmake\")\n")
write_basic_package_version_file(${PROJECT_BINARY_DIR}/gcallocConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/gcallocConfig.cmake ${PROJECT_BINARY_DIR}/gcallocConfigVersion.cmake
    DESTINATION ${CMAKE_PACKAGE_DIR} COMPONENT development)

function(write_pkg_config name description library flags static_flags)
  set(file ${PROJECT_BINARY_DIR}/${name}.pc)
  file(RELATIVE_PATH up ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
  string(REGEX REPLACE "/$" "" up ${up})
  file(WRITE ${file}
      "prefix=\${pcfiledir}/${up}\n"
      "libdir=\${prefix}/${CMAKE_INSTALL_LIBDIR}\n"
      "includedir=\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}\n\n"
      "Name: ${name}\nDescription: ${description}\nVersion: ${PROJECT_VERSION}\n"
      "Libs: -L\${libdir} -l${library}\nLibs.private: ${static_flags}-Wl,--eh-frame-hdr -pthread\n"
      "Cflags: -I\${includedir}${flags}\n")
  install(FILES ${file} DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)
endfunction()

write_pkg_config(gcalloc "Garbage-collecting malloc for C" gcalloc "" "-Wl,-u,malloc ")
write_pkg_config(gcalloc-core "Garbage-collecting allocator for C, without the names of malloc" gcalloc_core "" "")
write_pkg_config(gcalloc-replace "Garbage-collecting malloc for the sources of one program" gcalloc_core
    " -include gcalloc/replace.h" "")
