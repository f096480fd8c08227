# genie_warnings: the flags under which everything in this repository, headers included, must be clean.

add_library(genie_warnings INTERFACE)
if(MSVC)
  target_compile_options(genie_warnings INTERFACE /W4 /permissive- /utf-8 $<$<BOOL:${GENIE_WERROR}>:/WX>)
else()
  target_compile_options(genie_warnings INTERFACE
    -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wold-style-cast -Wundef
    $<$<BOOL:${GENIE_WERROR}>:-Werror>)
endif()
