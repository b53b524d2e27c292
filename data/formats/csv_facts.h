// Facts about a list's header and cells: known names, paths, words for splits, 0 and 1.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/formats/csv_layout.h"

namespace mld {

// In lower case, without blanks, dots, dashes and underscores: "Image Index" is imageindex.
std::string plain_name(std::string_view text);

// Names that are common in headers.
struct KnownName {
  std::string_view names;  // as plain_name() writes them, between blanks
  CsvColumn column;
  bool sure;  // false: only if no other column has the role
};
// The row of a plain name; null for others.
const KnownName* known_name(std::string_view plain);

// Whether it has a file extension or a slash.
bool looks_like_path(std::string_view cell);

// Facts about a column; the first record is left out if there are others.
struct ColumnFacts {
  bool paths = false;      // at least half look like paths
  bool endings = false;    // at least half have file extensions
  bool splits = false;     // every cell is a word for a split
  size_t indicators = 0;   // cells of 1, 0, -1 or nothing
  bool any_indicator = false;
  int64_t odd_line = 0;    // the first line with any other cell
};
ColumnFacts facts_of(const std::vector<CsvRecord>& sample, size_t column);

}  // namespace mld
