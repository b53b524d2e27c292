#include "data/formats/nus_wide.h"

#include <algorithm>
#include <unordered_map>

#include "core/error.h"
#include "data/file.h"
#include "data/formats/class_division.h"
#include "data/formats/csv.h"
#include "data/formats/format.h"
#include "data/formats/json.h"
#include "data/formats/split_words.h"
#include "data/picture_files.h"
#include "data/text.h"

namespace mld {
namespace fs = std::filesystem;
namespace {

constexpr int64_t kMostBytes = int64_t{16} << 20;
constexpr size_t kMostFiles = 64;  // a folder may hold one JSON file per picture

// Marks the listed classes; returns how many the data do not have.
int64_t mark(const std::vector<std::string>& list,
             const std::unordered_map<std::string_view, size_t>& places,
             std::vector<bool>& marked) {
  int64_t missing = 0;
  for (const std::string& name : list) {
    const auto place = places.find(name);
    missing += place == places.end();
    if (place != places.end()) {
      marked[place->second] = true;
    }
  }
  return missing;
}

// The JSON file that divides the classes. `name` starts the message if there is none.
fs::path class_split_beside(const fs::path& folder, const std::string& name) {
  const fs::path json = find_class_split(folder);
  require<DataError>(!json.empty(), "{}: no JSON file with \"test class\" beside it, which says "
                     "which classes are unseen; without one use data.format = \"csv\"", name);
  return json;
}

// The published reading rule (spec/metrics-data.md section 8): a training row needs a seen label,
// and its targets are the seen classes; an evaluation row needs an unseen label, and its targets
// are the unseen ones. Other labels of a training row are unknown.
std::vector<bool> select_rows(LabelList& list, const fs::path& file, const std::string& split,
                              std::string& note) {
  const fs::path json = class_split_beside(file.parent_path(), list.name);
  const std::string name = printable(json.native());
  const ClassSplit classes =
      parse_class_split(read_text_file(json, kMostBytes), name, list.classes);
  const bool training = split == "train";
  const std::vector<bool>& own = training ? classes.seen : classes.unseen;
  const auto is_own = [&](int32_t label) { return own[static_cast<size_t>(label)]; };
  const auto before = static_cast<int64_t>(list.rows.size());
  std::erase_if(list.rows, [&](const LabelList::Row& row) {
    return std::ranges::none_of(row.labels, is_own);
  });
  require<DataError>(!list.rows.empty(),
                     "{}: no row for split '{}' has one of the {} classes of {}", list.name, split,
                     training ? "seen" : "unseen", name);
  for (LabelList::Row& row : list.rows) {
    const auto others = std::ranges::stable_partition(row.labels, is_own);
    if (training) {
      row.unknown.insert(row.unknown.end(), others.begin(), others.end());
      row.labels.erase(others.begin(), others.end());
    }
  }
  note += fmt::format("; {}: {} seen and {} unseen classes{}, {} of {} rows used",
                      printable(json.filename().native()), std::ranges::count(classes.seen, true),
                      std::ranges::count(classes.unseen, true),
                      classes.missing > 0
                          ? fmt::format(" ({} more occur in no row)", classes.missing) : "",
                      list.rows.size(), before);
  return own;
}

std::unique_ptr<Dataset> open_nus_wide(const DataOptions& options, const std::string& split,
                                       Purpose) {
  ListKind kind = csv_lists();
  kind.select = options.zero_shot ? nullptr : select_rows;
  return open_list(kind, options, split);
}

}  // namespace

ClassSplit parse_class_split(std::string_view json, const std::string& name,
                             const std::vector<std::string>& classes) {
  const ClassDivision division = parse_class_division(json, name);
  std::unordered_map<std::string_view, size_t> places;
  for (size_t i = 0; i < classes.size(); ++i) {
    places.emplace(classes[i], i);
  }
  ClassSplit split{std::vector<bool>(classes.size()), std::vector<bool>(classes.size()), 0};
  split.missing = mark(division.unseen, places, split.unseen);
  if (!division.seen.empty()) {
    split.missing += mark(division.seen, places, split.seen);
  } else {
    split.seen = split.unseen;
    split.seen.flip();
  }
  for (size_t i = 0; i < classes.size(); ++i) {
    require<DataError>(!split.seen[i] || !split.unseen[i],
                       "{}: '{}' is both a train class and a test class", name,
                       printable(classes[i]));
  }
  return split;
}

fs::path find_class_split(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> files = sorted_entries(folder, error), found;
  std::erase_if(files, [&](const fs::path& path) {
    return lower_case(path.extension().native()) != ".json" || !fs::is_regular_file(path, error) ||
           fs::file_size(path, error) > static_cast<std::uintmax_t>(kMostBytes);
  });
  files.resize(std::min(files.size(), kMostFiles));
  for (const fs::path& path : files) {
    try {
      const rapidjson::Document root = parse_json(read_text_file(path, kMostBytes), "");
      if (root.IsObject() && root.HasMember("test class")) {
        found.push_back(path);
      }
    } catch (const DataError&) {  // it is something else
    }
  }
  if (found.size() > 1) {
    fail<DataError>("{}: {} and {} both have a \"test class\"; leave one",
                    printable(folder.native()), printable(found[0].filename().native()),
                    printable(found.back().filename().native()));
  }
  return found.empty() ? fs::path() : found[0];
}

const DataFormat nus_wide_format = {
    .name = "nus_wide",
    .looks_like = "(only if named) data.csv beside a JSON file with \"test class\"",
    .splits = "as csv; train has the seen classes, val and test the unseen ones",
    .detect = [](const DataOptions&) { return false; },
    .open = open_nus_wide,
    .division = [](const DataOptions& options) {
      const fs::path json = class_split_beside((options.root / options.train).parent_path(),
                                               printable(options.root.native()));
      return parse_class_division(read_text_file(json, kMostBytes), printable(json.native()));
    },
};

}  // namespace mld
