// A program that tests launch. What it does is its first argument; see `main`.
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

namespace {

/// Appears whole: who waits for the file can read it.
void write_file(const std::string& path, const std::string& content) {
  const std::string temporary = path + ".tmp";
  std::ofstream{temporary} << content;
  if (std::rename(temporary.c_str(), path.c_str()) != 0) std::_Exit(1);
}

std::string descriptors() {
  std::string result;
  DIR* const list = ::opendir("/proc/self/fd");
  if (list == nullptr) return "descriptors unknown\n";
  while (const dirent* const entry = ::readdir(list)) {
    if (entry->d_name[0] == '.' || std::atoi(entry->d_name) == ::dirfd(list)) continue;
    const int flags = ::fcntl(std::atoi(entry->d_name), F_GETFL);
    const char* const access[] = {"r", "w", "rw", "?"};
    char target[4096];
    const ssize_t length = ::readlinkat(::dirfd(list), entry->d_name, target, sizeof target);
    result += std::string{"descriptor "} + entry->d_name + " " + access[flags & O_ACCMODE];
    if ((flags & O_APPEND) != 0) result += "a";
    if ((flags & O_NONBLOCK) != 0) result += "n";
    result += " " + std::string{target, length > 0 ? static_cast<std::size_t>(length) : 0} + "\n";
  }
  ::closedir(list);
  return result;
}

std::string signals() {
  std::string result;
  std::ifstream status{"/proc/self/status"};
  for (std::string line; std::getline(status, line);) {
    for (const char* const name : {"SigPnd:", "ShdPnd:", "SigBlk:", "SigIgn:", "SigCgt:"}) {
      if (line.rfind(name, 0) == 0) result += line.replace(line.find(":\t"), 2, " ") + "\n";
    }
  }
  return result;
}

std::string report(int count, char** arguments) {
  const mode_t mask = ::umask(0);
  int adopts = -1;
  ::prctl(PR_GET_CHILD_SUBREAPER, &adopts);
  const int terminal = ::open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
  const std::string has_terminal = terminal >= 0 ? "yes" : std::strerror(errno);
  if (terminal >= 0) ::close(terminal);
  char directory[4096];
  if (::getcwd(directory, sizeof directory) == nullptr) directory[0] = '\0';
  std::string text = descriptors() + signals();
  text += "leads_session " + std::to_string(::getsid(0) == ::getpid()) + "\n";
  text += "leads_group " + std::to_string(::getpgrp() == ::getpid()) + "\n";
  text += "terminal " + has_terminal + "\n";
  text += "umask " + std::to_string(mask) + "\n";
  text += "directory " + std::string{directory} + "\n";
  text += "adopts_orphans " + std::to_string(adopts) + "\n";
  for (int at = 0; at < count; ++at) text += std::string{"argument "} + arguments[at] + "\n";
  for (char** variable = environ; *variable != nullptr; ++variable) {
    text += std::string{"variable "} + *variable + "\n";
  }
  return text;
}

[[noreturn]] void stay() {
  for (;;) ::pause();
}

}  // namespace

int main(int count, char** arguments) {
  ::alarm(60);  // whatever becomes of the test
  if (count < 2) return 2;
  const std::string task = arguments[1];
  const std::string argument = count > 2 ? arguments[2] : "";
  if (task == "report") {  // FILE: says what this process has, and ends
    write_file(argument, report(count, arguments));
  } else if (task == "print") {  // TEXT: to both output streams
    const std::string text = argument + "\n";
    if (::write(1, text.data(), text.size()) < 0 || ::write(2, text.data(), text.size()) < 0) return 1;
  } else if (task == "exit") {  // STATUS
    return std::atoi(argument.c_str());
  } else if (task == "die") {  // SIGNAL: of which nobody has changed the action
    ::raise(std::atoi(argument.c_str()));
  } else if (task == "stay") {  // FILE: which tells that this process runs
    write_file(argument, "");
    stay();
  } else if (task == "family") {  // FILE: which tells that this process and a child of it run
    const pid_t child = ::fork();
    if (child == 0) {
      ::alarm(60);
      stay();
    }
    write_file(argument, std::to_string(child));
    stay();
  } else if (task == "disturb") {  // PID: signals it again and again, as long as it is there
    const pid_t target = std::atoi(argument.c_str());
    // With pauses, in which it comes to wait again: else all signals may have come before it does.
    const timespec pause{0, 1'000'000};
    while (target > 1 && ::kill(target, SIGUSR1) == 0) ::nanosleep(&pause, nullptr);
  } else {
    return 2;
  }
  return 0;
}
