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
#elif defined(_WIN32)
#include "genie/windows/clock.hpp"
#include "genie/windows/filesystem.hpp"
#include "genie/windows/job.hpp"
#include "genie/windows/process_probe.hpp"
#include "genie/windows/stop_event.hpp"
#else
#error "genie has system policies for Linux and Windows only, so far"
#endif

namespace genie::inline v0 {

#if defined(__linux__)
using SystemClock = LinuxClock;
using SystemFilesystem = LinuxFilesystem;
using SystemProcessProbe = LinuxProcessProbe;
#elif defined(_WIN32)
using SystemClock = WindowsClock;
using SystemFilesystem = WindowsFilesystem;
using SystemProcessProbe = WindowsProcessProbe;
#endif

static_assert(ClockPolicy<SystemClock>);
static_assert(FilesystemPolicy<SystemFilesystem>);
static_assert(ProcessProbePolicy<SystemProcessProbe>);

}  // namespace genie::inline v0

#endif  // GENIE_SYSTEM_HPP
