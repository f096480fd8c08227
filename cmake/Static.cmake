# genie_link_statically(TARGET): without the dynamic loader, where that is possible.
include_guard(GLOBAL)
include(CheckCXXSourceCompiles)
set(CMAKE_REQUIRED_LINK_OPTIONS -static)
check_cxx_source_compiles("int main() {}" GENIE_CAN_LINK_STATICALLY)
unset(CMAKE_REQUIRED_LINK_OPTIONS)

function(genie_link_statically target)
  if(GENIE_CAN_LINK_STATICALLY AND NOT "${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_DEBUG}" MATCHES "sanitize")
    target_link_options(${target} PRIVATE -static)
  endif()
endfunction()
