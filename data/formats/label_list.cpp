#include "data/formats/label_list.h"

#include <algorithm>
#include <string_view>

#include "core/error.h"
#include "data/picture_files.h"
#include "data/text.h"

namespace mld {

std::string LabelList::counts_text() const {
  int64_t labels = 0;
  for (const Row& row : rows) {
    labels += static_cast<int64_t>(row.labels.size());
  }
  return fmt::format("{}, {:.1f} a picture", counted(static_cast<int64_t>(classes.size()), "class"),
                     static_cast<double>(labels) / static_cast<double>(rows.size()));
}

std::string LabelList::merged_text() const {
  const auto pictures = static_cast<int64_t>(rows.size());
  return repeated == 0 ? "" : fmt::format("; {} rows merged into {}", pictures + repeated,
                                          counted(pictures, "picture"));
}

std::string LabelList::unknown_text(const std::string& written) const {
  int64_t unknown = 0;
  for (const Row& row : rows) {
    unknown += static_cast<int64_t>(row.unknown.size());
  }
  return unknown == 0 ? "" : fmt::format("; {} times {}, taken as unknown", unknown, written);
}

int32_t LabelListBuilder::Numbering::of(const std::string& name) {
  const auto entry = numbers.emplace(name, static_cast<int32_t>(names.size()));
  if (entry.second) {
    names.push_back(name);
  }
  return entry.first->second;
}

int32_t LabelListBuilder::label(const std::string& name, int64_t line) {
  require<DataError>(is_utf8(name), "{}:{}: label '{}' is not UTF-8", list_.name, line,
                     printable(name));
  return classes_.of(name);
}

void LabelListBuilder::add(LabelList::Row row) {
  std::string key = normal_path(row.path);
  key += '\0';
  key += std::to_string(row.split);
  const auto [entry, is_new] = row_of_picture_.emplace(key, list_.rows.size());
  if (is_new) {
    list_.rows.push_back(std::move(row));
    return;
  }
  LabelList::Row& first = list_.rows[entry->second];
  first.labels.insert(first.labels.end(), row.labels.begin(), row.labels.end());
  first.unknown.insert(first.unknown.end(), row.unknown.begin(), row.unknown.end());
  ++list_.repeated;
}

void LabelListBuilder::finish() {
  list_.splits = splits_.names;
  // The class list is sorted; the byte order of UTF-8 is that of code points.
  list_.classes = classes_.names;
  std::sort(list_.classes.begin(), list_.classes.end());
  std::unordered_map<std::string_view, int32_t> place;
  for (size_t i = 0; i < list_.classes.size(); ++i) {
    place.emplace(list_.classes[i], static_cast<int32_t>(i));
  }
  for (LabelList::Row& row : list_.rows) {
    for (std::vector<int32_t>* labels : {&row.labels, &row.unknown}) {
      for (int32_t& label : *labels) {
        label = place.at(classes_.names[static_cast<size_t>(label)]);
      }
      std::sort(labels->begin(), labels->end());
      labels->erase(std::unique(labels->begin(), labels->end()), labels->end());
    }
    std::erase_if(row.unknown, [&](int32_t label) {
      return std::binary_search(row.labels.begin(), row.labels.end(), label);
    });
  }
}

}  // namespace mld
