#include "app/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <csignal>
#include <cstdlib>

#include <fmt/core.h>

namespace mld {
namespace {

const char* environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : nullptr;
}

TerminalStyle style_of(int file) {
  TerminalStyle style;
  const char* term = environment("TERM");
  const bool dumb = term != nullptr && std::string_view(term) == "dumb";
  style.terminal = ::isatty(file) == 1 && !dumb;
  style.color = style.terminal && environment("NO_COLOR") == nullptr;
  style.utf8 = !style.terminal || utf8_locale();
  winsize size{};
  if (style.terminal && ::ioctl(file, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    style.width = size.ws_col;
  }
  return style;
}

extern "C" void clear_line_and_end(int number) {
  constexpr std::string_view kClear = "\r\x1b[K";
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, kClear.data(), kClear.size());
  std::signal(number, SIG_DFL);
  std::raise(number);  // delivered when this returns
}

}  // namespace

bool utf8_locale() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    if (const char* value = environment(name)) {
      std::string locale = value;
      std::ranges::transform(locale, locale.begin(), [](unsigned char c) {
        return static_cast<char>(std::tolower(c));
      });
      return locale.find("utf-8") != std::string::npos || locale.find("utf8") != std::string::npos;
    }
  }
  return false;
}

TerminalStyle stderr_style() { return style_of(STDERR_FILENO); }
TerminalStyle stdout_style() { return style_of(STDOUT_FILENO); }

std::string colored(std::string_view text, int ansi, const TerminalStyle& style) {
  return style.color ? fmt::format("\x1b[{}m{}\x1b[0m", ansi, text) : std::string(text);
}

std::string filled_bar(double fraction, int cells, const TerminalStyle& style) {
  constexpr std::string_view kEighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  constexpr int kParts = 8;
  const double filled = std::clamp(fraction, 0.0, 1.0) * cells;
  const int parts = static_cast<int>(std::lround(filled * kParts));
  const int full = style.utf8 ? parts / kParts : static_cast<int>(std::lround(filled));
  const std::string_view rest = style.utf8 ? kEighths[parts % kParts] : "";
  std::string bar;
  for (int i = 0; i < full; ++i) {
    bar += style.utf8 ? "█" : "#";
  }
  const int blanks = cells - full - (rest.empty() ? 0 : 1);
  return bar + std::string(rest) + std::string(static_cast<size_t>(std::max(blanks, 0)), ' ');
}

const std::string& first_fitting(std::span<const std::string> wordings,
                                 const TerminalStyle& style) {
  const auto fits = [&](const std::string& line) { return std::ssize(line) < style.width; };
  const auto found = std::ranges::find_if(wordings, fits);
  return found != wordings.end() ? *found : wordings.back();
}

void clear_line_when_killed() {
  for (const int number : {SIGINT, SIGTERM}) {
    // Ignored by whoever started the program, as with nohup: it stays so.
    if (stderr_style().terminal && std::signal(number, clear_line_and_end) == SIG_IGN) {
      std::signal(number, SIG_IGN);
    }
  }
}

}  // namespace mld
