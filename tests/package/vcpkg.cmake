# Runs the portfile as far as that is possible without vcpkg, which can't be had where genie is checked: the functions that
# it calls do what https://learn.microsoft.com/vcpkg/maintainers/functions says of them, for a package of headers.
#
#   cmake -DPORT_DIR=packaging/vcpkg/genie -DWORK=FOLDER -P tests/package/vcpkg.cmake
#
# Leaves the installation in FOLDER/installed.
set(PORT genie)
set(CURRENT_PORT_DIR ${PORT_DIR})
set(CURRENT_BUILDTREES_DIR ${WORK}/buildtrees)
set(CURRENT_PACKAGES_DIR ${WORK}/installed)

function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

function(vcpkg_cmake_configure)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "SOURCE_PATH" "OPTIONS")
  run(${CMAKE_COMMAND} -G Ninja -S ${arg_SOURCE_PATH} -B ${CURRENT_BUILDTREES_DIR} -DCMAKE_BUILD_TYPE=Release
      -DCMAKE_INSTALL_PREFIX=${CURRENT_PACKAGES_DIR} ${arg_OPTIONS})
endfunction()

function(vcpkg_cmake_install)
  run(${CMAKE_COMMAND} --build ${CURRENT_BUILDTREES_DIR} --target install)
endfunction()

# Moves CONFIG_PATH to share/PORT, and lets its files look for the prefix from there.
function(vcpkg_cmake_config_fixup)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "CONFIG_PATH" "")
  file(RENAME ${CURRENT_PACKAGES_DIR}/${arg_CONFIG_PATH} ${CURRENT_PACKAGES_DIR}/share/${PORT})
  file(REMOVE_RECURSE ${CURRENT_PACKAGES_DIR}/share/cmake)
  file(GLOB files ${CURRENT_PACKAGES_DIR}/share/${PORT}/*.cmake)
  foreach(file ${files})
    file(READ ${file} text)
    string(REGEX REPLACE "get_filename_component\\(_IMPORT_PREFIX \"\\\${CMAKE_CURRENT_LIST_FILE}\" PATH\\)(\nget_filename_component\\(_IMPORT_PREFIX \"\\\${_IMPORT_PREFIX}\" PATH\\))*"
           "get_filename_component(_IMPORT_PREFIX \"\${CMAKE_CURRENT_LIST_FILE}\" PATH)\nget_filename_component(_IMPORT_PREFIX \"\${_IMPORT_PREFIX}\" PATH)\nget_filename_component(_IMPORT_PREFIX \"\${_IMPORT_PREFIX}\" PATH)"
           text "${text}")
    string(REPLACE "get_filename_component(PACKAGE_PREFIX_DIR \"\${CMAKE_CURRENT_LIST_DIR}/../../../\" ABSOLUTE)"
           "get_filename_component(PACKAGE_PREFIX_DIR \"\${CMAKE_CURRENT_LIST_DIR}/../../\" ABSOLUTE)" text "${text}")
    file(WRITE ${file} "${text}")
  endforeach()
endfunction()

function(vcpkg_fixup_pkgconfig)
  if(NOT EXISTS ${CURRENT_PACKAGES_DIR}/share/pkgconfig/${PORT}.pc)
    message(FATAL_ERROR "no ${PORT}.pc")
  endif()
endfunction()

function(vcpkg_install_copyright)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "" "FILE_LIST")
  file(INSTALL ${arg_FILE_LIST} DESTINATION ${CURRENT_PACKAGES_DIR}/share/${PORT} RENAME copyright)
endfunction()

include(${PORT_DIR}/portfile.cmake)

# What vcpkg's own post-build checks would complain about.
foreach(missing include/genie/serve_guard.hpp share/genie/copyright share/genie/usage share/genie/genie-config.cmake)
  if(NOT EXISTS ${CURRENT_PACKAGES_DIR}/${missing})
    message(FATAL_ERROR "the port installs no ${missing}")
  endif()
endforeach()
file(GLOB_RECURSE empty LIST_DIRECTORIES true ${CURRENT_PACKAGES_DIR}/*)
foreach(directory ${empty})
  file(GLOB content ${directory}/*)
  if(IS_DIRECTORY ${directory} AND NOT content)
    message(FATAL_ERROR "the port leaves an empty ${directory}")
  endif()
endforeach()
foreach(forbidden debug bin lib)
  if(EXISTS ${CURRENT_PACKAGES_DIR}/${forbidden})
    message(FATAL_ERROR "the port of a header-only library installs ${forbidden}/")
  endif()
endforeach()
