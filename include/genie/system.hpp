// The policies of the system that we are compiled for, under one set of names. Platform code is reachable only here.
#ifndef GENIE_SYSTEM_HPP
#define GENIE_SYSTEM_HPP

#include "genie/policy/clock.hpp"
#include "genie/policy/filesystem.hpp"
#include "genie/policy/process_probe.hpp"

#if defined(__linux__)
#include "genie/linux/clock.hpp"
#include "genie/linux/filesystem.hpp"
#include "genie/linux/process_probe.hpp"
#else
#error "genie has system policies for Linux only, so far"
#endif

namespace genie::inline v0 {

#if defined(__linux__)
/// The clock of the system that this is compiled for.
using SystemClock = LinuxClock;
/// The files and locks of the system that this is compiled for.
using SystemFilesystem = LinuxFilesystem;
/// The processes of the system that this is compiled for.
using SystemProcessProbe = LinuxProcessProbe;
#endif

static_assert(ClockPolicy<SystemClock>);
static_assert(FilesystemPolicy<SystemFilesystem>);
static_assert(ProcessProbePolicy<SystemProcessProbe>);

}  // namespace genie::inline v0

#endif  // GENIE_SYSTEM_HPP
