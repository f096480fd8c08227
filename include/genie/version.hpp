// The version of genie, in one place: the build system, the packages and the amalgamated header read it from here.
#ifndef GENIE_VERSION_HPP
#define GENIE_VERSION_HPP

#define GENIE_VERSION_MAJOR 0
#define GENIE_VERSION_MINOR 1
#define GENIE_VERSION_PATCH 0
#define GENIE_VERSION_STRING "0.1.0"

#endif  // GENIE_VERSION_HPP
