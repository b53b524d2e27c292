// A split of a data set that is described by lists of pictures: which list it is, which of its
// rows, and where the pictures are. The same for every kind of list.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/formats/label_list.h"
#include "data/formats/open.h"

namespace mld {

// Longer lists are refused.
constexpr int64_t kMostListBytes = int64_t{4} << 30;

// What is particular to a kind of list.
struct ListKind {
  std::string_view name;    // "CSV list"
  std::string_view ending;  // ".csv": data.csv holds all splits, train.csv one
  std::string_view endings;  // for messages: ".csv or .tsv"
  bool (*is_list)(const std::filesystem::path& file);  // by its name
  bool text_files;          // train.txt is one too
  std::vector<std::string_view> of_folder;  // in a split's own folder these win over other lists
  // Reads a list; `note` gets what was understood of it, starting with the list's name.
  LabelList (*read)(const std::filesystem::path& file, const DataOptions& options,
                    std::string& note);
  // Leaves out rows of a split and says which of the list's classes are the split's own; null: all.
  std::vector<bool> (*select)(LabelList& list, const std::filesystem::path& file,
                              const std::string& split, std::string& note) = nullptr;
};

// Errors: NoSplit, and DataError as open_dataset's.
std::unique_ptr<Dataset> open_list(const ListKind& kind, const DataOptions& options,
                                   const std::string& split);

// Whether there are such lists: one that the user names or that is named after a split or "data",
// or, if there are no folders of pictures, one with a split's word in its name.
bool has_lists(const ListKind& kind, const DataOptions& options);

}  // namespace mld
