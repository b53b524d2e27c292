// The run folder's log files and what the programs say on stderr.
#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "core/error.h"
#include "data/file.h"
#include "train/progress.h"

namespace mld {

// A file that only grows, one whole line per write: a kill leaves at most one partial last line.
class LineFile {
 public:
  // Opens for appending, creating it if needed. Errors: DataError.
  explicit LineFile(const std::filesystem::path& path);

  bool empty() const;  // nothing in it yet
  // Adds the line and '\n'. False if that failed (a full disk): logs never stop a run.
  bool append(std::string_view line);

 private:
  FileDescriptor file_;
};

// Cuts a CSV file (header with a column `step`, integers) after the last row whose step is at most
// `step`, together with a partial last line. A missing file is fine. Errors: DataError if the
// header has no such column or the file cannot be changed.
void cut_csv(const std::filesystem::path& path, int64_t step);

// The same for lines of JSON objects: everything from the first line on that is incomplete or
// whose member "step" exceeds `step`. Lines without the member stay.
void cut_jsonl(const std::filesystem::path& path, int64_t step);

// A value of an event. Numbers that are not finite are written as null.
using JsonValue = std::variant<std::string, double, int64_t, bool>;

// {"name": value, ...} on one line, in the order given; all text is escaped.
std::string json_object(std::initializer_list<std::pair<std::string_view, JsonValue>> members);

// Text for stderr: its lines stay lines, each is printable() on its own, so nothing from outside
// reaches the terminal as a control sequence.
std::string printable_lines(std::string_view text);

}  // namespace mld
