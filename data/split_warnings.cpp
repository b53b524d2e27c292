#include "data/split_warnings.h"

#include <algorithm>
#include <map>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include <fmt/ranges.h>

#include "core/error.h"
#include "data/hash.h"
#include "data/text.h"

namespace mld {
namespace {

// [K] the number of pictures that show each class.
std::vector<int64_t> pictures_per_class(const Dataset& data) {
  std::vector<int64_t> counts(data.class_names().size());
  for (int64_t i = 0; i < data.size(); ++i) {
    for (const LabelEntry& entry : data.labels(i)) {
      counts[static_cast<size_t>(entry.column)] += entry.label == Label::present;
    }
  }
  return counts;
}

std::string quoted_list(std::vector<std::string> names) {
  for (std::string& name : names) {
    name = "'" + name + "'";
  }
  return name_list(names);
}

void warn_of_unseen(const Dataset& train, const Dataset& val, std::vector<std::string>& warnings) {
  const std::vector<std::string>& names = train.class_names();
  const std::vector<int64_t> in_train = pictures_per_class(train);
  const bool same = names == val.class_names();
  const std::vector<int64_t> in_val = same ? pictures_per_class(val) : std::vector<int64_t>();
  std::vector<std::string> unseen, seen;
  int64_t of_val = 0;
  for (size_t k = 0; k < names.size(); ++k) {
    (in_train[k] == 0 ? unseen : seen).push_back(names[k]);
    of_val += same && in_train[k] == 0 ? in_val[k] : 0;
  }
  if (!unseen.empty()) {
    warnings.push_back(fmt::format(
        "{} of {} without a training picture: {}{}{}", unseen.size(),
        counted(static_cast<int64_t>(names.size()), "class"), quoted_list(unseen),
        of_val > 0 ? fmt::format(", but {} of val", counted(of_val, "label")) : "",
        unseen.size() == 1 ? did_you_mean(unseen[0], seen) : ""));
  }
}

void warn_of_case(const Dataset& train, std::vector<std::string>& warnings) {
  std::map<std::string, std::vector<std::string>> spellings;
  for (const std::string& name : train.class_names()) {
    std::string lower = name;
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    spellings[lower].push_back(name);
  }
  std::vector<std::string> groups;
  for (const auto& [lower, names] : spellings) {
    if (names.size() > 1) {
      groups.push_back(quoted_list(names));
    }
  }
  if (!groups.empty()) {
    warnings.push_back(fmt::format("class names that differ only in upper and lower case: {}; if "
                                   "they mean one class, spell them alike",
                                   fmt::join(groups, "; ")));
  }
}

void warn_of_one_class(const Dataset& train, std::vector<std::string>& warnings) {
  if (train.class_names().size() == 1 && pictures_per_class(train)[0] == train.size()) {
    warnings.push_back(fmt::format(
        "there is a single class, '{}', and all {} show it: the model has nothing to learn, and "
        "every metric will be perfect; add pictures without it or with other classes",
        printable(train.class_names()[0]), counted(train.size(), "training picture")));
  }
}

std::string overlap(int64_t count, const Dataset& other, std::string_view name,
                    const std::string& first) {
  return fmt::format("{} of {} of {} {} among the training pictures too, such as {}: the results "
                     "on {} will look better than they are",
                     count, counted(other.size(), "picture"), name, count == 1 ? "is" : "are",
                     first, name);
}

void warn_of_same_files(const Dataset& train, const Dataset& val,
                        std::vector<std::string>& warnings) {
  std::unordered_set<std::string> files;
  for (int64_t i = 0; i < train.size(); ++i) {
    files.insert(train.file(i));
  }
  int64_t count = 0;
  std::string first;
  for (int64_t i = 0; i < val.size(); ++i) {
    if (files.contains(val.file(i)) && count++ == 0) {
      first = printable(val.source(i));
    }
  }
  if (count > 0) {
    warnings.push_back(overlap(count, val, "val", first));
  }
}

// The hash of a picture's bytes; nullopt if it cannot be read.
std::optional<uint64_t> content_hash(const Dataset& data, int64_t i) {
  try {
    Hash hash;
    hash.text(data.stored(i));
    return hash.value();
  } catch (const DataError&) {
    return std::nullopt;
  }
}

}  // namespace

std::vector<std::string> split_warnings(const Dataset& train, const Dataset& val) {
  std::vector<std::string> warnings;
  warn_of_unseen(train, val, warnings);
  warn_of_case(train, warnings);
  warn_of_one_class(train, warnings);
  warn_of_same_files(train, val, warnings);
  return warnings;
}

std::string same_pictures_warning(const Dataset& train, const Dataset& other,
                                  std::string_view other_name) {
  std::unordered_map<int64_t, std::vector<int64_t>> by_size;
  for (int64_t i = 0; i < train.size(); ++i) {
    by_size[train.stored_bytes(i)].push_back(i);
  }
  std::unordered_map<int64_t, std::unordered_map<uint64_t, int64_t>> hashes;  // by size, of train
  int64_t count = 0;
  std::string first;
  for (int64_t i = 0; i < other.size(); ++i) {
    const int64_t bytes = other.stored_bytes(i);
    const auto candidates = by_size.find(bytes);
    if (bytes == 0 || candidates == by_size.end()) {
      continue;
    }
    auto [known, fresh] = hashes.try_emplace(bytes);
    for (size_t n = 0; fresh && n < candidates->second.size(); ++n) {
      if (const auto hash = content_hash(train, candidates->second[n])) {
        known->second.emplace(*hash, candidates->second[n]);
      }
    }
    const std::optional<uint64_t> hash = content_hash(other, i);
    const auto twin = hash ? known->second.find(*hash) : known->second.end();
    if (twin != known->second.end() && train.file(twin->second) != other.file(i) &&
        count++ == 0) {
      first = fmt::format("{}, the same bytes as {}", printable(other.source(i)),
                          printable(train.source(twin->second)));
    }
  }
  return count > 0 ? overlap(count, other, other_name, first) : "";
}

}  // namespace mld
