// What the terminal can show.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace mld {

struct TerminalStyle {
  bool terminal = false;  // can redraw a line
  bool color = false;
  int width = 80;    // columns
  bool utf8 = true;  // files and pipes always get UTF-8
};

// Whether the first of LC_ALL, LC_CTYPE and LANG that is set and not empty names UTF-8.
bool utf8_locale();

// Stderr's and stdout's: no terminal if TERM is "dumb"; colours unless NO_COLOR is set and not
// empty; on a terminal UTF-8 only if the locale says so.
TerminalStyle stderr_style();
TerminalStyle stdout_style();

// Text in one of the basic colours (ANSI 31 red, 32 green, 33 yellow, 1 bold) if colours are on.
std::string colored(std::string_view text, int ansi, const TerminalStyle& style);

// A bar and blanks, `cells` columns in all. In eighths of a cell, in ASCII in whole ones.
std::string filled_bar(double fraction, int cells, const TerminalStyle& style);

// The first of several wordings, longest first, that leaves the last column free; else the last.
// ASCII only.
const std::string& first_fitting(std::span<const std::string> wordings, const TerminalStyle& style);

// From now on SIGINT and SIGTERM, which still end the program, first remove a progress line, if
// stderr is a terminal. A later handler of theirs, such as training's, replaces this.
void clear_line_when_killed();

}  // namespace mld
