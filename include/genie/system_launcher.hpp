// The launcher of the system that we are compiled for. Apart from <genie/system.hpp>, because most programs start none.
// Windows has none so far: a lock can't be handed to another process there.
#ifndef GENIE_SYSTEM_LAUNCHER_HPP
#define GENIE_SYSTEM_LAUNCHER_HPP

#include "genie/policy/launcher.hpp"
#include "genie/system.hpp"

#if defined(__linux__)
#include "genie/linux/launcher.hpp"
#elif defined(__APPLE__)
#include "genie/macos/launcher.hpp"
#elif defined(__FreeBSD__)
#include "genie/freebsd/launcher.hpp"
#endif

namespace genie::inline v0 {

#if defined(__linux__)
/// The way to start processes on the system that this is compiled for.
using SystemLauncher = LinuxLauncher;
#elif defined(__APPLE__)
using SystemLauncher = MacosLauncher;
#elif defined(__FreeBSD__)
using SystemLauncher = FreebsdLauncher;
#endif

#if !defined(_WIN32)
static_assert(LauncherPolicy<SystemLauncher, SystemFilesystem>);
#endif

}  // namespace genie::inline v0

#endif  // GENIE_SYSTEM_LAUNCHER_HPP
