// A daemon that would listen and serve, for programs that show only how it is guarded.
#include <cstdint>

std::uint16_t start_listening() { return 4711; }
void serve() {}

// BLOCK
