// Strings from outside: UTF-8 checks, escaping for where they go, nearest names, safe paths.
#pragma once

#include <cstdint>
#include <filesystem>
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
// The same for text of several lines, which stay lines.
std::string printable_lines(std::string_view text);

// One CSV field (RFC 4180): quoted if it holds a comma, a quote or a line break.
std::string csv_field(std::string_view text);

// A JSON string with its quotes. Bytes that are not UTF-8 are written as the four characters \xff,
// so the result is valid JSON whatever the input (file names need not be UTF-8).
std::string json_string(std::string_view text);

// Text for HTML content and double-quoted attributes: & < > " ' escaped, then as printable().
std::string html_text(std::string_view text);

// `count` and a noun: "1 picture", "3 pictures".
std::string counted(int64_t count, std::string_view noun);

// The names printed for a message, comma-separated; after `most` of them "and 7 more".
std::string name_list(std::span<const std::string> names, size_t most = 5);

// Insertions, deletions, substitutions and swaps of neighbours that turn a into b (Damerau's
// distance, optimal string alignment), in bytes.
int edit_distance(std::string_view a, std::string_view b);

// The candidate nearest to `name`, if it is near enough to be a slip of the keyboard (a third of
// the longer length, at least 1); else "". The first of equals.
std::string nearest_name(std::string_view name, std::span<const std::string> candidates);

// ", did you mean 'person'?" or "".
std::string did_you_mean(std::string_view name, std::span<const std::string> candidates);

// Text without the blanks around it (space, tab, carriage return, line feed).
std::string_view trimmed(std::string_view text);

// Text without a UTF-8 byte order mark. `name` starts the message. Errors: DataError for UTF-16 and
// UTF-32, which their marks or zero bytes give away.
std::string_view without_mark(std::string_view text, const std::string& name);

// Note [Paths from annotation files]. Whoever wrote an annotation file must not choose which files
// we open: a path in it is relative, has no "..", no empty or NUL-bearing name, and after symbolic
// links are followed still lies below the folder the user named. The first half is checked when
// the annotations are read, the second when the picture is opened (links may change meanwhile).

// The path if it satisfies the first half of the note. `where` starts the message, such as
// "data.csv:12". Errors: DataError.
std::filesystem::path safe_relative_path(std::string_view path, const std::string& where);

// `relative` below `folder` with links followed. A path that does not exist is returned as it is:
// opening it tells the reason. Errors: DataError if it lies outside `folder`.
std::filesystem::path resolve_below(const std::filesystem::path& folder,
                                    const std::filesystem::path& relative);

}  // namespace mld
