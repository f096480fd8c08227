# genie_link_statically(TARGET): without the dynamic loader, where that is possible.
# genie_link_runtime_statically(TARGET): with what it needs of the C++ runtime inside, and nothing but the C library outside.
include_guard(GLOBAL)
include(CheckCXXSourceCompiles)
set(CMAKE_REQUIRED_LINK_OPTIONS -static)
check_cxx_source_compiles("int main() {}" GENIE_CAN_LINK_STATICALLY)
set(CMAKE_REQUIRED_LINK_OPTIONS -static-libstdc++ -static-libgcc)
check_cxx_source_compiles("#include <string>\nint main(int n, char** a) { return std::string{a[0]}.size() == 0; }"
                          GENIE_CAN_LINK_RUNTIME_STATICALLY)
set(CMAKE_REQUIRED_LINK_OPTIONS -Wl,--gc-sections)
check_cxx_source_compiles("int main() {}" GENIE_CAN_DROP_SECTIONS)
unset(CMAKE_REQUIRED_LINK_OPTIONS)

function(genie_link_statically target)
  if(GENIE_CAN_LINK_STATICALLY AND NOT "${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_DEBUG}" MATCHES "sanitize")
    target_link_options(${target} PRIVATE -static)
  endif()
endfunction()

function(genie_link_runtime_statically target)
  if(GENIE_CAN_LINK_RUNTIME_STATICALLY AND NOT "${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_DEBUG}" MATCHES "sanitize")
    target_link_options(${target} PRIVATE -static-libstdc++ -static-libgcc
                                          $<$<BOOL:${GENIE_CAN_DROP_SECTIONS}>:-Wl,--gc-sections>)
  endif()
endfunction()
