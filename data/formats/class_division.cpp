#include "data/formats/class_division.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "core/error.h"
#include "data/file.h"
#include "data/formats/file_dataset.h"
#include "data/formats/format.h"
#include "data/formats/json.h"
#include "data/formats/split_words.h"
#include "data/label_tokens.h"
#include "data/text.h"
#include "data/val_fraction.h"

namespace mld {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMostListBytes = int64_t{16} << 20;

std::vector<std::string> list_in_json(const rapidjson::Value& root, const char* key,
                                      const std::string& name) {
  const auto list = root.FindMember(key);
  const bool good = list != root.MemberEnd() && list->value.IsArray() &&
                    std::ranges::all_of(list->value.GetArray(),
                                        [](const auto& one) { return one.IsString(); });
  require<DataError>(good, "{}: \"{}\" is no list of class names", name, key);
  std::vector<std::string> names;
  for (const rapidjson::Value& one : list->value.GetArray()) {
    names.emplace_back(one.GetString(), one.GetStringLength());
  }
  return names;
}

bool has_ending(const std::string& word, std::string_view ending) {
  return lower_case(word).ends_with(ending);
}

// A text file's lines, or names separated by commas.
std::vector<std::string> listed_names(const DataOptions& options, const std::string& word) {
  if (has_ending(word, ".txt")) {
    const fs::path file = options.root / word;
    const std::string text = read_text_file(file, kMostListBytes);
    return filled_lines(without_mark(text, printable(file.native())));
  }
  return comma_separated(word);
}

ClassDivision division_of(const DataOptions& options) {
  const DataFormat& format = format_of(options);
  if (options.unseen.empty()) {
    require<UsageError>(format.division != nullptr,
                        "data.unseen is missing: zero-shot needs to know which classes are unseen; "
                        "name a .json file with \"test class\", a .txt file with a name a line, or "
                        "the classes, separated by commas");
    return format.division(options);
  }
  ClassDivision division;
  if (has_ending(options.unseen, ".json")) {
    const fs::path file = options.root / options.unseen;
    division = parse_class_division(read_text_file(file, kMostListBytes),
                                    printable(file.native()));
  } else {
    division = {{}, listed_names(options, options.unseen), "data.unseen"};
  }
  if (!options.seen.empty()) {
    division.seen = listed_names(options, options.seen);
  }
  return division;
}

bool contains(const std::vector<std::string>& sorted, const std::string& name) {
  return std::ranges::binary_search(sorted, name);
}

// Refuses listed names that the data spell differently, and warns of those that they lack.
void check_spelling(const ClassDivision& division, const std::vector<std::string>& listed,
                    const std::vector<std::string>& data, std::vector<std::string>& warnings) {
  std::map<std::string, std::string> by_words;
  for (const std::string& name : data) {
    by_words.emplace(folded_label(name), name);
  }
  std::vector<std::string> lacking;
  for (const std::string& name : listed) {
    if (!contains(data, name)) {
      const auto other = by_words.find(folded_label(name));
      require<DataError>(other == by_words.end(),
                         "{}: the class '{}' is spelled '{}' in the data; spell it alike",
                         division.source, printable(name),
                         other == by_words.end() ? "" : printable(other->second));
      lacking.push_back(name);
    }
  }
  if (!lacking.empty()) {
    warnings.push_back(fmt::format("{}: no picture shows {} of {}: {}{}", division.source,
                                   lacking.size(),
                                   counted(static_cast<int64_t>(listed.size()), "listed class"),
                                   name_list(lacking), did_you_mean(lacking[0], data)));
  }
}

// Both kinds of classes, by name, with their flags.
LabelSpace divided_space(const ClassDivision& division, std::vector<std::string> data,
                         std::vector<std::string>& warnings) {
  std::ranges::sort(data);
  std::vector<std::string> unseen = division.unseen, seen = division.seen;
  std::ranges::sort(unseen);
  if (seen.empty()) {
    std::ranges::set_difference(data, unseen, std::back_inserter(seen));
  }
  std::ranges::sort(seen);
  std::vector<std::string> both;
  std::ranges::set_intersection(seen, unseen, std::back_inserter(both));
  require<DataError>(both.empty(), "{}: {} both seen and unseen: {}", division.source,
                     counted(static_cast<int64_t>(both.size()), "class") +
                         (both.size() == 1 ? " is" : " are"), name_list(both));
  require<DataError>(!unseen.empty(), "{}: no class is unseen", division.source);
  require<DataError>(!seen.empty(), "{}: every class is unseen, so there is nothing to learn from",
                     division.source);
  LabelSpace space;
  std::ranges::merge(seen, unseen, std::back_inserter(space.names));
  std::vector<std::string> listed = unseen;
  listed.insert(listed.end(), division.seen.begin(), division.seen.end());
  check_spelling(division, listed, data, warnings);
  require_distinct_words(space.names, division.source);
  for (const std::string& name : space.names) {
    space.seen.push_back(contains(seen, name));
  }
  return space;
}

void require_unseen_pictures(const Dataset& val, const std::string& source) {
  for (int64_t i = 0; i < val.size(); ++i) {
    for (const LabelEntry& entry : val.labels(i)) {
      if (entry.label == Label::present &&
          !val.label_space().was_seen(static_cast<size_t>(entry.column))) {
        return;
      }
    }
  }
  fail<DataError>("{}: no picture of the val split shows an unseen class, so there is nothing to "
                  "evaluate; check how the classes are spelled", source);
}

}  // namespace

ClassDivision parse_class_division(std::string_view json, const std::string& name) {
  const rapidjson::Document root = parse_json(json, name);
  require<DataError>(root.IsObject(), "{}: {}, expected an object with \"test class\"", name,
                     json_kind(root));
  ClassDivision division{.seen = {}, .unseen = list_in_json(root, "test class", name),
                         .source = name};
  if (root.HasMember("train class")) {
    division.seen = list_in_json(root, "train class", name);
  }
  return division;
}

void require_spelled_alike(const std::vector<std::string>& data, const LabelSpace& space) {
  std::map<std::string, std::string> by_words;
  for (const std::string& name : space.names) {
    by_words.emplace(folded_label(name), name);
  }
  for (const std::string& name : data) {
    const auto alike = by_words.find(folded_label(name));
    require<DataError>(alike == by_words.end() || alike->second == name ||
                           std::ranges::find(data, alike->second) != data.end(),
                       "the class '{}' of the data is the model's '{}'; spell it alike",
                       printable(name), alike == by_words.end() ? "" : printable(alike->second));
  }
}

std::unique_ptr<Dataset> with_classes(std::unique_ptr<Dataset> data, LabelSpace space) {
  const ClassList classes(std::move(space), "class list");
  std::vector<int32_t> column_of;
  for (const std::string& name : data->class_names()) {
    column_of.push_back(classes.column(name));
  }
  LabelTable labels;
  std::vector<int64_t> samples;
  for (int64_t i = 0; i < data->size(); ++i) {
    std::vector<LabelEntry> row;
    bool shows = false, shows_others = false;
    for (LabelEntry entry : data->labels(i)) {
      entry.column = column_of[static_cast<size_t>(entry.column)];
      (entry.column >= 0 ? shows : shows_others) |= entry.label == Label::present;
      if (entry.column >= 0) {
        row.push_back(entry);
      }
    }
    if (shows || !shows_others) {
      labels.add(row);
      samples.push_back(i);
    }
  }
  labels.freeze();
  const int64_t all = data->size(), left = static_cast<int64_t>(samples.size());
  require<DataError>(left > 0, "no picture of {} shows one of the {}", all,
                     counted(classes.size(), "chosen class"));
  if (left < all) {
    data->add_note(fmt::format("{} of {} left out: they show only classes other than these {}",
                               all - left, counted(all, "picture"), classes.size()));
  }
  return subset(std::move(data), std::move(samples), classes.space(), std::move(labels));
}

void divide_classes(const DataOptions& options, Splits& splits) {
  const ClassDivision division = division_of(options);
  const LabelSpace all =
      divided_space(division, splits.train->class_names(), splits.warnings);
  splits.train = with_classes(std::move(splits.train), seen_part(all));
  splits.val = with_classes(std::move(splits.val), all);
  require_unseen_pictures(*splits.val, division.source);
}

}  // namespace mld
