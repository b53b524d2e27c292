// A list of labelled pictures, however it is written: CSV, JSON lines.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace mld {

// A list of labelled pictures, in file order.
struct LabelList {
  struct Row {
    std::string path;
    std::vector<int32_t> labels;   // ascending, indices into classes
    std::vector<int32_t> unknown;  // classes of which the row says that they are unknown
    int32_t split = -1;            // index into splits; -1 if the list does not say
    int64_t line = 0;
  };
  std::string name;                  // of the file, for messages
  std::vector<std::string> classes;  // every label of the file, sorted by code point
  std::vector<std::string> splits;   // in order of appearance; empty if the list does not say
  std::vector<Row> rows;             // one per picture and split
  int64_t repeated = 0;              // later rows of a picture, merged into its first

  // For a note: "14 classes, 1.6 a picture", "; 3 rows merged into 2 pictures" or "", "; 5 times
  // -1, taken as unknown" or "".
  std::string counts_text() const;
  std::string merged_text() const;
  std::string unknown_text(const std::string& written) const;
};

// Fills a list row by row. Labels are numbered as they first appear until finish().
class LabelListBuilder {
 public:
  explicit LabelListBuilder(LabelList& list) : list_(list) {}

  // The number of a label. Errors: DataError with file:line if it is not UTF-8.
  int32_t label(const std::string& name, int64_t line);
  int32_t split(const std::string& word) { return splits_.of(word); }
  int32_t labels() const { return static_cast<int32_t>(classes_.names.size()); }
  // Rows of one picture and split are merged: a list may have one row per label.
  void add(LabelList::Row row);
  // Sorts classes and labels; a label that is also listed as unknown is present.
  void finish();

 private:
  // Numbers names 0, 1, ... as they first appear.
  struct Numbering {
    std::unordered_map<std::string, int32_t> numbers;
    std::vector<std::string> names;
    int32_t of(const std::string& name);
  };

  LabelList& list_;
  Numbering classes_, splits_;
  std::unordered_map<std::string, size_t> row_of_picture_;
};

}  // namespace mld
