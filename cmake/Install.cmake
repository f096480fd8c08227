# What `cmake --install` puts on a machine: headers, find_package and pkg-config files, the command.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# Headers only, nothing depends on the architecture: share, not lib.
set(genie_cmake_dir ${CMAKE_INSTALL_DATADIR}/cmake/genie)

# fmt's targets are in an export of their own, so that genie::genie is usable where fmt is not installed.
install(TARGETS genie_genie EXPORT genie-targets FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT genie-targets NAMESPACE genie:: DESTINATION ${genie_cmake_dir})
if(EXISTS ${genie_fmt_header})
  install(TARGETS genie_fmt EXPORT genie-fmt-targets FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install(EXPORT genie-fmt-targets NAMESPACE genie:: DESTINATION ${genie_cmake_dir})
endif()

# Before 1.0 a minor version may change the interface.
write_basic_package_version_file(genie-config-version.cmake COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
configure_package_config_file(cmake/genie-config.cmake.in genie-config.cmake INSTALL_DESTINATION ${genie_cmake_dir}
                              NO_SET_AND_CHECK_MACRO)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/genie-config.cmake ${CMAKE_CURRENT_BINARY_DIR}/genie-config-version.cmake
        DESTINATION ${genie_cmake_dir})

set(genie_pkgconfig_dir ${CMAKE_INSTALL_DATADIR}/pkgconfig)
file(RELATIVE_PATH genie_pc_to_prefix /${genie_pkgconfig_dir} /)
configure_file(cmake/genie.pc.in genie.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/genie.pc DESTINATION ${genie_pkgconfig_dir})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

if(TARGET genie)
  install(TARGETS genie RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
