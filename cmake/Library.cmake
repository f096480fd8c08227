# The targets that others link: genie::genie, genie::fmt (formatters) and genie::single (the amalgamated header).

file(GLOB_RECURSE genie_headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/genie/*.hpp)
set(genie_fmt_header ${PROJECT_SOURCE_DIR}/include/genie/fmt.hpp)
list(REMOVE_ITEM genie_headers ${genie_fmt_header})

# The command owns the target name `genie`, so the library has a longer one behind its alias.
add_library(genie_genie INTERFACE)
add_library(genie::genie ALIAS genie_genie)
set_target_properties(genie_genie PROPERTIES EXPORT_NAME genie)
target_compile_features(genie_genie INTERFACE cxx_std_20)
target_sources(genie_genie INTERFACE FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}/include FILES ${genie_headers})

# fmt::fmt is only named here: whoever links genie::fmt has found it, and whoever does not needs no fmt.
add_library(genie_fmt INTERFACE)
add_library(genie::fmt ALIAS genie_fmt)
set_target_properties(genie_fmt PROPERTIES EXPORT_NAME fmt)
target_link_libraries(genie_fmt INTERFACE genie_genie fmt::fmt)
if(EXISTS ${genie_fmt_header})
  target_sources(genie_fmt INTERFACE FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}/include FILES ${genie_fmt_header})
endif()

add_library(genie_single INTERFACE)
add_library(genie::single ALIAS genie_single)
target_compile_features(genie_single INTERFACE cxx_std_20)
target_include_directories(genie_single INTERFACE ${PROJECT_SOURCE_DIR}/single_include)
