# SPDX-License-Identifier: MIT
# Packages for Debian: `cpack` in the build folder. Read twice: by the build, which tells cpack of this file, and by cpack.
# They come from a build of their own (build.sh), so that this folder may be configured in any way.
if(NOT CPACK_EXTERNAL_PACKAGE_SCRIPT)
  set(CPACK_GENERATOR External)
  set(CPACK_EXTERNAL_PACKAGE_SCRIPT ${CMAKE_CURRENT_LIST_FILE})
  set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
  set(CPACK_GCALLOC_COMPILERS CC=${CMAKE_C_COMPILER} CXX=${CMAKE_CXX_COMPILER})
  set(CPACK_GCALLOC_ARGUMENTS -G ${CMAKE_GENERATOR} -DATOMIC_OPS_INCLUDE_DIR=${ATOMIC_OPS_INCLUDE_DIR})
  include(CPack)
  return()
endif()

execute_process(
    COMMAND ${CMAKE_COMMAND} -E env ${CPACK_GCALLOC_COMPILERS} sh ${CMAKE_CURRENT_LIST_DIR}/build.sh
        ${CPACK_TEMPORARY_DIRECTORY} ${CPACK_PACKAGE_VERSION} ${CPACK_GCALLOC_ARGUMENTS}
    COMMAND_ERROR_IS_FATAL ANY)
file(GLOB CPACK_EXTERNAL_BUILT_PACKAGES ${CPACK_TEMPORARY_DIRECTORY}/*.deb)
