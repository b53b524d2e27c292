// Strings from outside: UTF-8 checks, escaping for each kind of output, nearest names, safe paths.
#pragma once

#include <charconv>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mld {

// Whether the bytes are well-formed UTF-8 (no overlong forms, no surrogates, at most U+10FFFF).
bool is_utf8(std::string_view text);

// For a terminal or a log: control characters, direction overrides and bytes that are not UTF-8
// become \n, \t, \x1b, \xff or \u202e; everything else stays. One line of text, always UTF-8.
// For a path: printable(path.native()).
std::string printable(std::string_view text);
// The same for text of several lines: line breaks are kept.
std::string printable_lines(std::string_view text);

// One CSV field (RFC 4180): quoted if it holds a comma, a quote or a line break.
std::string csv_field(std::string_view text);

// A word of a POSIX shell's command line, for people who copy it: quoted unless it is plain.
std::string shell_word(std::string_view text);

// A JSON string with its quotes. Bytes that are not UTF-8 are written as the four characters \xff,
// so the result is valid JSON whatever the input (file names need not be UTF-8).
std::string json_string(std::string_view text);

// Text for HTML content and double-quoted attributes: & < > " ' escaped, then as printable().
std::string html_text(std::string_view text);

// `count` and a noun: "1 picture", "3 pictures".
std::string counted(int64_t count, std::string_view noun);

// Names for a message, printable() and comma-separated; after `limit` of them "and 7 more".
std::string name_list(std::span<const std::string> names, size_t limit = 5);

// Insertions, deletions, substitutions and swaps of neighbours that turn a into b (Damerau's
// distance, optimal string alignment), in bytes.
int edit_distance(std::string_view a, std::string_view b);

// The candidate nearest to `name`, if near enough to be a typo (distance at most a third of the
// longer length, or 1); else "". Of equally near ones, the first.
std::string nearest_name(std::string_view name, std::span<const std::string> candidates);

// ", did you mean 'person'?" or "".
std::string did_you_mean(std::string_view name, std::span<const std::string> candidates);

// The length in bytes of the first `count` code points of UTF-8 text; all of it if it has fewer.
size_t bytes_of_first(size_t count, std::string_view text);

// Text without leading and trailing blanks (space, tab, carriage return, line feed).
std::string_view trimmed(std::string_view text);

// Names separated by commas, trimmed; empty ones are left out.
std::vector<std::string> comma_separated(std::string_view text);

// The number that all of the text is, as by std::from_chars; nullopt for any other text.
template <class T>
std::optional<T> number_of(std::string_view text) {
  T value{};
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = result.ec == std::errc() && result.ptr == text.data() + text.size();
  return whole ? std::optional(value) : std::nullopt;
}

// Calls take(line, number) for a text's lines that are not blank, trimmed and numbered from 1.
template <class Take>
void for_filled_lines(std::string_view text, Take take) {
  int64_t number = 1;
  for (size_t begin = 0; begin < text.size(); ++number) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = trimmed(text.substr(begin, end - begin));
    begin = end + 1;
    if (!line.empty()) {
      take(line, number);
    }
  }
}
// These lines.
std::vector<std::string> filled_lines(std::string_view text);

// Text without a UTF-8 byte order mark. `name` starts the message. Errors: DataError for UTF-16 and
// UTF-32, recognised by byte order marks or zero bytes.
std::string_view without_mark(std::string_view text, const std::string& name);

// Note [Paths from annotation files]. Whoever wrote an annotation file must not choose which files
// we open: a path in it must be relative, have no "..", no empty name and no NUL, and lie below the
// folder the user named, with symbolic links followed; but that folder's own entries, and the one
// that the paths start from, may be links to folders elsewhere: these are the user's arrangement.
// This last condition is checked when the picture is opened (links may change until then), the
// others when the annotations are read.

// The path, if it meets the conditions of the note except the last. `where`, such as "data.csv:12",
// starts the message. Errors: DataError.
std::filesystem::path safe_relative_path(std::string_view path, const std::string& where);

// `relative`, a path that starts from `folder`, with links followed. A path that does not exist is
// returned as it is: opening it will give the reason. `root` is the folder the user named.
// Errors: DataError if it breaks the note's last condition.
std::filesystem::path resolve_below(const std::filesystem::path& root,
                                    const std::filesystem::path& folder,
                                    const std::filesystem::path& relative);

}  // namespace mld
