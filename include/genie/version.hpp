// The version of genie, in one place: the build system, the packages and the amalgamated header read it from here.
#ifndef GENIE_VERSION_HPP
#define GENIE_VERSION_HPP

/// Grows where programs that use genie must be changed, or state directories are read differently.
#define GENIE_VERSION_MAJOR 0
/// Grows where there is something new; while MAJOR is 0, also where programs must be changed.
#define GENIE_VERSION_MINOR 1
/// Grows where something was mended.
#define GENIE_VERSION_PATCH 0
/// All three, `MAJOR.MINOR.PATCH`.
#define GENIE_VERSION_STRING "0.1.0"

#endif  // GENIE_VERSION_HPP
