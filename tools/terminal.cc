// SPDX-License-Identifier: MIT
#include "tools/terminal.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "cluster/clock.h"

namespace tern {
namespace {

// The codes of ECMA-48 and xterm: another screen without a cursor, and back.
constexpr char kEnter[] = "\x1b[?1049h\x1b[?25l";
constexpr char kLeave[] = "\x1b[?25h\x1b[?1049l";
constexpr char kHome[] = "\x1b[H";
constexpr char kClearLine[] = "\x1b[K";
constexpr char kClearBelow[] = "\x1b[J";
constexpr char kCtrlC = '\x03';

void WriteAll(absl::string_view text) {
  while (!text.empty()) {
    const ssize_t count = write(STDOUT_FILENO, text.data(), text.size());
    if (count < 0 && errno != EINTR) return;  // the terminal is gone
    if (count > 0) text.remove_prefix(static_cast<size_t>(count));
  }
}

winsize Size() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0) {
    size.ws_row = 24;
    size.ws_col = 80;
  }
  return size;
}

// Names come from other machines: nothing but printable ASCII gets to the terminal.
std::string Printable(absl::string_view line) {
  std::string text(line);
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return text;
}

}  // namespace

std::unique_ptr<Terminal> Terminal::Take() {
  if (isatty(STDIN_FILENO) == 0 || isatty(STDOUT_FILENO) == 0) return nullptr;
  return std::unique_ptr<Terminal>(new Terminal());
}

Terminal::Terminal() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, signal);
  pthread_sigmask(SIG_BLOCK, &set, &previous_signals_);
  signals_ = signalfd(-1, &set, SFD_CLOEXEC);
  tcgetattr(STDIN_FILENO, &settings_);
  termios raw = settings_;
  raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG);
  tcsetattr(STDIN_FILENO, TCSANOW, &raw);
  WriteAll(kEnter);
}

Terminal::~Terminal() {
  WriteAll(kLeave);
  tcsetattr(STDIN_FILENO, TCSANOW, &settings_);
  close(signals_);
  pthread_sigmask(SIG_SETMASK, &previous_signals_, nullptr);
}

void Terminal::Draw(const std::string& text) {
  const winsize size = Size();
  std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  lines.resize(std::min<size_t>(lines.size(), size.ws_row));
  std::string screen = kHome;
  for (size_t i = 0; i < lines.size(); ++i) {
    absl::StrAppend(&screen, i == 0 ? "" : "\r\n", Printable(lines[i].substr(0, size.ws_col)),
                    lines[i].size() < size.ws_col ? kClearLine : "");
  }
  WriteAll(absl::StrCat(screen, kClearBelow));
}

bool Terminal::WaitForQuit(absl::Duration pause) {
  const absl::Time end = MonotonicNow() + pause;
  while (true) {
    const absl::Duration left = std::max(end - MonotonicNow(), absl::ZeroDuration());
    pollfd ready[] = {{STDIN_FILENO, POLLIN, 0}, {signals_, POLLIN, 0}};
    const int found = poll(ready, 2, static_cast<int>(absl::ToInt64Milliseconds(left)));
    if (found < 0 && errno == EINTR) continue;
    if (found <= 0) return found < 0;
    if (ready[1].revents != 0) return true;
    char key = 0;
    if (read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == kCtrlC) return true;
  }
}

}  // namespace tern
