#include "data/formats/file_dataset.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>

#include "core/error.h"
#include "data/text.h"

namespace mld {

LabelTable::LabelTable(int64_t classes, std::string name, int64_t most_bytes)
    : classes_(classes), name_(std::move(name)), most_bytes_(most_bytes) {
  require<DataError>(classes > 0, "{}: no classes", name_);
  require<DataError>(classes <= std::numeric_limits<int32_t>::max(), "{}: {} classes are too many",
                     name_, classes);
}

void LabelTable::add(std::span<const std::pair<int32_t, Label>> labels) {
  // Sorted so that the winner of a repeated column comes last: ignored before present.
  std::vector<std::pair<int32_t, Label>> sorted(labels.begin(), labels.end());
  std::sort(sorted.begin(), sorted.end());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  std::string key;
  for (const auto& [column, label] : sorted) {
    key.append(reinterpret_cast<const char*>(&column), sizeof column);
    key += static_cast<char>(label);
  }
  const auto [entry, is_new] =
      row_of_key_.try_emplace(std::move(key), static_cast<uint32_t>(rows_.size()));
  if (is_new) {
    const int64_t count = static_cast<int64_t>(rows_.size()) + 1;
    require<DataError>(count <= most_bytes_ / classes_,
                       "{}: the labels of {} different rows x {} classes need more than {} MiB; "
                       "use fewer samples or classes",
                       name_, count, classes_, most_bytes_ >> 20);
    rows_.emplace_back(static_cast<size_t>(classes_), Label::absent);
    for (const auto& [column, label] : sorted) {
      rows_.back()[static_cast<size_t>(column)] = label;
    }
  }
  row_of_sample_.push_back(entry->second);
}

std::span<const Label> LabelTable::row(int64_t sample) const {
  return rows_[row_of_sample_.at(static_cast<size_t>(sample))];
}

ClassList::ClassList(std::vector<std::string> names, const std::string& where)
    : names_(std::move(names)) {
  require<DataError>(!names_.empty(), "{}: no classes", where);
  for (size_t i = 0; i < names_.size(); ++i) {
    require<DataError>(!names_[i].empty(), "{}: the name of class {} is empty", where, i);
    require<DataError>(is_utf8(names_[i]), "{}: class name '{}' is not UTF-8", where,
                       printable(names_[i]));
    const bool fresh = columns_.emplace(names_[i], static_cast<int32_t>(i)).second;
    require<DataError>(fresh, "{}: class '{}' is listed twice", where, printable(names_[i]));
  }
}

int32_t ClassList::column(const std::string& name) const {
  const auto entry = columns_.find(name);
  return entry == columns_.end() ? -1 : entry->second;
}

void require_known(const std::vector<std::string>& unknown, const ClassList& classes,
                   const std::string& where) {
  if (!unknown.empty()) {
    fail<DataError>("{}: {} not in the class list of {}: {}{}; every split must use the classes of "
                    "the training split",
                    where,
                    unknown.size() == 1 ? "1 class is"
                                        : counted(static_cast<int64_t>(unknown.size()), "class") +
                                              " are",
                    classes.size(), name_list(unknown),
                    unknown.size() == 1 ? did_you_mean(unknown[0], classes.names()) : "");
  }
}

void SampleList::add(std::string path, std::span<const std::pair<int32_t, Label>> labels) {
  ++offered_;
  if (labels.empty()) {
    ++without_labels_;
    if (unlabelled_ == Unlabelled::drop) {
      return;
    }
  }
  if (limit_ > 0 && labels_.size() >= limit_) {
    ++beyond_limit_;
    return;
  }
  paths_.push_back(std::move(path));
  labels_.add(labels);
}

void SampleList::finish() {
  paths_.shrink_to_fit();
  labels_.freeze();
  require<DataError>(offered_ > 0, "{}: no pictures", where_);
  require<DataError>(labels_.size() > 0,
                     "{}: none of the {} has a label and data.unlabelled is \"drop\"", where_,
                     counted(offered_, "picture"));
}

std::vector<std::string> SampleList::notes() const {
  std::vector<std::string> notes;
  if (without_labels_ > 0) {
    const bool drop = unlabelled_ == Unlabelled::drop;
    notes.push_back(fmt::format("{}: {} without labels {} (data.unlabelled = \"{}\")", where_,
                                counted(without_labels_, "picture"), drop ? "dropped" : "kept",
                                drop ? "drop" : "keep"));
  }
  if (beyond_limit_ > 0) {
    notes.push_back(fmt::format("{}: only the first {} of {} pictures are used", where_,
                                labels_.size(), labels_.size() + beyond_limit_));
  }
  return notes;
}

std::filesystem::path FileDataset::path(int64_t i) const {
  const std::string& relative = samples_.paths().at(static_cast<size_t>(i));
  return place_.checked ? resolve_below(place_.folder, relative) : place_.folder / relative;
}

Image FileDataset::load(int64_t i) const {
  try {
    return load_image(path(i));
  } catch (const DataError& error) {  // names the file by its raw bytes
    fail<DataError>("{}", printable(error.what()));
  }
}

void FileDataset::probe(int64_t i) const {
  const std::filesystem::path file = path(i);
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) {
    fail<DataError>("{}: cannot open: {}", printable(file.native()), std::strerror(errno));
  }
  require<DataError>(S_ISREG(status.st_mode), "{}: not a regular file", printable(file.native()));
  require<DataError>(status.st_size > 0, "{}: the file is empty", printable(file.native()));
}

std::string FileDataset::source(int64_t i) const {
  return place_.prefix + samples_.paths().at(static_cast<size_t>(i));
}

const std::string& split_option(const DataOptions& options, const std::string& split) {
  const bool known = split == "train" || split == "val" || split == "test";
  require<UsageError>(known, "split '{}' is unknown, expected train, val or test",
                      printable(split));
  return split == "train" ? options.train : split == "val" ? options.val : options.test;
}

int64_t split_limit(const DataOptions& options, const std::string& split) {
  return split == "train" ? options.train_size : split == "val" ? options.val_size : 0;
}

std::string prefix_of(const std::filesystem::path& folder, const std::filesystem::path& root) {
  const std::filesystem::path below = folder.lexically_normal().lexically_relative(
      root.lexically_normal());
  const bool inside = !below.empty() && *below.begin() != ".." && below != ".";
  return inside ? (below / "").native() : "";
}

bool is_picture_name(std::string_view name) {
  static constexpr std::array<std::string_view, 9> kEndings = {
      ".jpg", ".jpeg", ".png", ".bmp", ".gif", ".ppm", ".pgm", ".pbm", ".pnm"};
  std::string lower(name.size() > 5 ? name.substr(name.size() - 5) : name);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  return std::any_of(kEndings.begin(), kEndings.end(),
                     [&](std::string_view ending) { return lower.ends_with(ending); });
}

std::vector<std::filesystem::path> sorted_entries(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::directory_iterator entry(folder, error);
  std::vector<std::filesystem::path> paths;
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    paths.push_back(entry->path());
  }
  require<DataError>(!error, "{}: cannot list the folder: {}", printable(folder.native()),
                     error.message());
  std::sort(paths.begin(), paths.end(),
            [](const auto& a, const auto& b) { return a.native() < b.native(); });
  return paths;
}

}  // namespace mld
