# Builds for Windows on Linux, with mingw-w64 (GCC, posix threads), and runs the tests under wine:
#   scripts/check-windows.sh
# Debian has the compiler as g++-mingw-w64-x86-64-posix, and wine as wine64; that script also puts where CMake finds them
# what of fmt and Catch2 the tests need.
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR x86_64)

find_program(CMAKE_CXX_COMPILER NAMES x86_64-w64-mingw32-g++-posix x86_64-w64-mingw32-g++ REQUIRED)
find_program(CMAKE_RC_COMPILER NAMES x86_64-w64-mingw32-windres)

# Windows has none of GCC's own libraries.
set(CMAKE_EXE_LINKER_FLAGS_INIT -static)
# More sections than the old form of object files has room for.
set(CMAKE_CXX_FLAGS_INIT -Wa,-mbig-obj)

set(CMAKE_FIND_ROOT_PATH ${CMAKE_CURRENT_LIST_DIR}/../build/mingw-libraries)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

find_program(genie_wine NAMES wine64 wine PATHS /usr/lib/wine)
if(genie_wine)
  set(CMAKE_CROSSCOMPILING_EMULATOR ${genie_wine})
endif()
