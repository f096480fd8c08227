# genie_require(NAME...): what the command and the tests need; the library itself depends on nothing.
# An installed package is taken first. The pinned downloads are for machines that have none: they need the network, and
# the project's own checks, which run on installed packages, do not exercise them.
include(FetchContent)

# Macros, not functions, so that what find_package and FetchContent set reaches the caller.
macro(genie_fetch name url hash)
  FetchContent_Declare(${name} URL ${url} URL_HASH SHA256=${hash} DOWNLOAD_EXTRACT_TIMESTAMP ON SYSTEM)
  FetchContent_MakeAvailable(${name})
endmacro()

macro(genie_require)
  foreach(genie_dependency ${ARGN})
    cmake_language(CALL genie_require_${genie_dependency})
  endforeach()
endmacro()

macro(genie_require_fmt)
  find_package(fmt 9.1 QUIET)
  if(NOT TARGET fmt::fmt)
    set(FMT_INSTALL ${GENIE_INSTALL})  # an installed genie::fmt needs an installed fmt::fmt
    genie_fetch(fmt https://github.com/fmtlib/fmt/archive/10.2.1.tar.gz
                1250e4cc58bf06ee631567523f48848dc4596133e163f02615c97f78bab6c811)
  endif()
endmacro()

macro(genie_require_CLI11)
  find_package(CLI11 2.1 QUIET)
  if(NOT TARGET CLI11::CLI11)
    genie_fetch(CLI11 https://github.com/CLIUtils/CLI11/archive/v2.4.2.tar.gz
                f2d893a65c3b1324c50d4e682c0cdc021dd0477ae2c048544f39eed6654b699a)
  endif()
endmacro()

macro(genie_require_nlohmann_json)
  find_package(nlohmann_json 3.9 QUIET)
  if(NOT TARGET nlohmann_json::nlohmann_json)
    genie_fetch(nlohmann_json https://github.com/nlohmann/json/archive/refs/tags/v3.11.3.tar.gz
                0d8ef5af7f9794e3263480193c491549b2ba6cc74bb018906202ada498a79406)
  endif()
endmacro()

macro(genie_require_Catch2)
  find_package(Catch2 3 QUIET)
  if(NOT Catch2_FOUND)
    find_package(Catch2 2.13 QUIET)
  endif()
  if(NOT TARGET Catch2::Catch2)
    genie_fetch(Catch2 https://github.com/catchorg/Catch2/archive/v3.6.0.tar.gz
                485932259a75c7c6b72d4b874242c489ea5155d17efa345eb8cc72159f49f356)
    list(APPEND CMAKE_MODULE_PATH ${catch2_SOURCE_DIR}/extras)
  endif()
  include(Catch)  # catch_discover_tests
endmacro()
