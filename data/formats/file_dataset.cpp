#include "data/formats/file_dataset.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <tuple>

#include "core/error.h"
#include "data/file.h"
#include "data/text.h"

namespace mld {

constexpr int64_t kMostPictureBytes = int64_t{256} << 20;

// Which label wins when a column repeats: the larger strength.
static int strength(Label label) {
  return label == Label::present ? 2 : label == Label::unknown ? 1 : 0;
}

void LabelTable::add(std::span<const LabelEntry> labels) {
  const auto begin = static_cast<std::ptrdiff_t>(entries_.size());
  entries_.insert(entries_.end(), labels.begin(), labels.end());
  // The winner of a repeated column comes first.
  std::sort(entries_.begin() + begin, entries_.end(), [](const auto& a, const auto& b) {
    return std::tuple(a.column, strength(b.label), b.weight) <
           std::tuple(b.column, strength(a.label), a.weight);
  });
  entries_.erase(std::unique(entries_.begin() + begin, entries_.end(),
                             [](const auto& a, const auto& b) { return a.column == b.column; }),
                 entries_.end());
  begins_.push_back(static_cast<int64_t>(entries_.size()));
}

void LabelTable::freeze() {
  entries_.shrink_to_fit();
  begins_.shrink_to_fit();
}

std::span<const LabelEntry> LabelTable::row(int64_t sample) const {
  const auto i = static_cast<size_t>(sample);
  const auto begin = static_cast<size_t>(begins_.at(i));
  const auto end = static_cast<size_t>(begins_.at(i + 1));
  return std::span(entries_).subspan(begin, end - begin);
}

ClassList::ClassList(LabelSpace space, const std::string& where) : space_(std::move(space)) {
  const std::vector<std::string>& names = space_.names;
  require<DataError>(!names.empty(), "{}: no classes", where);
  require<DataError>(names.size() <= std::numeric_limits<int32_t>::max(),
                     "{}: {} classes are too many", where, names.size());
  for (size_t i = 0; i < names.size(); ++i) {
    require<DataError>(!names[i].empty(), "{}: the name of class {} is empty", where, i);
    require<DataError>(is_utf8(names[i]), "{}: class name '{}' is not UTF-8", where,
                       printable(names[i]));
    const bool fresh = columns_.emplace(names[i], static_cast<int32_t>(i)).second;
    require<DataError>(fresh, "{}: class '{}' is listed twice", where, printable(names[i]));
  }
}

ClassList::ClassList(const DataOptions& options, std::vector<std::string> own,
                     const std::string& where)
    : ClassList(options.label_space.names.empty() ? LabelSpace{.names = std::move(own)}
                                                  : options.label_space,
                options.label_space.names.empty() ? where : "class list") {}

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

void SampleList::add(std::string path, std::span<const LabelEntry> labels) {
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

void SampleList::add_notes(Dataset& data) const {
  if (without_labels_ > 0) {
    const bool drop = unlabelled_ == Unlabelled::drop;
    data.add_note(fmt::format("{}: {} without labels {} (data.unlabelled = \"{}\")", where_,
                                counted(without_labels_, "picture"), drop ? "dropped" : "kept",
                                drop ? "drop" : "keep"));
  }
  if (beyond_limit_ > 0) {
    data.add_note(fmt::format("{}: only the first {} of {} pictures are used", where_,
                                labels_.size(), labels_.size() + beyond_limit_));
  }
}

std::filesystem::path FileDataset::path(int64_t i) const {
  const std::string& relative = samples_.paths().at(static_cast<size_t>(i));
  return place_.checked ? resolve_below(place_.root, place_.folder, relative)
                        : place_.folder / relative;
}

Image FileDataset::load(int64_t i) const {
  try {
    return load_image(path(i), place_.decode);
  } catch (const DataError& error) {  // contains a file name that may not be UTF-8
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

int64_t FileDataset::stored_bytes(int64_t i) const {
  try {
    std::error_code error;
    const std::uintmax_t bytes = std::filesystem::file_size(path(i), error);
    return error ? 0 : static_cast<int64_t>(bytes);
  } catch (const DataError&) {  // it leaves the root: reported when the picture is loaded
    return 0;
  }
}

std::string FileDataset::stored(int64_t i) const {
  return read_text_file(path(i), kMostPictureBytes);
}

std::string FileDataset::source(int64_t i) const {
  return prefix_ + samples_.paths().at(static_cast<size_t>(i));
}

std::string FileDataset::file(int64_t i) const {
  return normal_path(place_.folder / samples_.paths().at(static_cast<size_t>(i)));
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

bool has_file(const std::filesystem::path& folder, std::string_view ending,
              std::string_view start) {
  std::error_code error;
  return std::ranges::any_of(sorted_entries(folder, error), [&](const auto& path) {
    const std::string name = path.filename().native();
    return name.starts_with(start) && name.ends_with(ending);
  });
}

}  // namespace mld
