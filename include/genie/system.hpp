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
#elif defined(__APPLE__)
#include "genie/macos/clock.hpp"
#include "genie/macos/filesystem.hpp"
#include "genie/macos/process_probe.hpp"
#elif defined(__FreeBSD__)
#include "genie/freebsd/clock.hpp"
#include "genie/freebsd/filesystem.hpp"
#include "genie/freebsd/process_probe.hpp"
#elif defined(_WIN32)
#include "genie/windows/clock.hpp"
#include "genie/windows/filesystem.hpp"
#include "genie/windows/job.hpp"
#include "genie/windows/process_probe.hpp"
#include "genie/windows/stop_event.hpp"
#else
#error "genie has no system policies for this platform"
#endif

namespace genie::inline v0 {

#if defined(__linux__)
/// The clock of the system that this is compiled for.
using SystemClock = LinuxClock;
/// The files and locks of the system that this is compiled for.
using SystemFilesystem = LinuxFilesystem;
/// The processes of the system that this is compiled for.
using SystemProcessProbe = LinuxProcessProbe;
#elif defined(__APPLE__)
using SystemClock = MacosClock;
using SystemFilesystem = MacosFilesystem;
using SystemProcessProbe = MacosProcessProbe;
#elif defined(__FreeBSD__)
using SystemClock = FreebsdClock;
using SystemFilesystem = FreebsdFilesystem;
using SystemProcessProbe = FreebsdProcessProbe;
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
