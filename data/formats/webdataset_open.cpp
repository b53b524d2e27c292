// A split of WebDataset shards.
#include <fcntl.h>
#include <unistd.h>

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <set>

#include "core/error.h"
#include "data/file.h"
#include "data/formats/file_dataset.h"
#include "data/formats/format.h"
#include "data/formats/split_words.h"
#include "data/formats/webdataset.h"
#include "data/text.h"

namespace mld {
namespace fs = std::filesystem;
namespace {

constexpr int64_t kMostNamesBytes = int64_t{16} << 20;

class ShardedDataset : public Dataset {
 public:
  ShardedDataset(const ClassList& classes, SampleList samples, std::vector<fs::path> shards,
                 std::vector<ShardPlace> places, fs::path root, const DecodeOptions& decode)
      : Dataset(classes.space()), samples_(std::move(samples)), shards_(std::move(shards)),
        places_(std::move(places)), root_(std::move(root)), decode_(decode) {
    samples_.add_notes(*this);
  }

  int64_t size() const override { return samples_.labels().size(); }
  std::span<const LabelEntry> labels(int64_t i) const override { return samples_.labels().row(i); }
  int64_t stored_bytes(int64_t i) const override { return place(i).size; }
  std::string source(int64_t i) const override {
    return shard(i).lexically_relative(root_).native() + ":" + key(i);
  }
  std::string file(int64_t i) const override { return normal_path(shard(i)) + ":" + key(i); }
  Image load(int64_t i) const override {
    const std::string bytes = stored(i);
    return decode_image({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()},
                        printable(source(i)), decode_);
  }
  void probe(int64_t i) const override {
    struct stat status {};
    require<DataError>(::stat(shard(i).c_str(), &status) == 0, "{}: cannot open: {}",
                       printable(shard(i).native()), std::strerror(errno));
    require<DataError>(place(i).size > 0 && place(i).offset + place(i).size <= status.st_size,
                       "{}: the picture is empty, or the shard is shorter now",
                       printable(source(i)));
  }
  std::string stored(int64_t i) const override {
    const FileDescriptor file(::open(shard(i).c_str(), O_RDONLY | O_CLOEXEC));
    require<DataError>(file.open(), "{}: cannot open: {}", printable(shard(i).native()),
                       std::strerror(errno));
    require<DataError>(place(i).size <= decode_.limits.max_file_bytes,
                       "{}: a picture of {} bytes, more than {}", printable(source(i)),
                       place(i).size, decode_.limits.max_file_bytes);
    std::string bytes(static_cast<size_t>(place(i).size), '\0');
    for (size_t done = 0; done < bytes.size();) {
      const ssize_t count = ::pread(file.get(), bytes.data() + done, bytes.size() - done,
                                    place(i).offset + static_cast<int64_t>(done));
      require<DataError>(count > 0, "{}: cannot read: {}", printable(source(i)),
                         count < 0 ? std::strerror(errno) : "the shard is shorter now");
      done += static_cast<size_t>(count);
    }
    return bytes;
  }

 private:
  const ShardPlace& place(int64_t i) const { return places_.at(static_cast<size_t>(i)); }
  const fs::path& shard(int64_t i) const { return shards_[static_cast<size_t>(place(i).shard)]; }
  const std::string& key(int64_t i) const { return samples_.paths().at(static_cast<size_t>(i)); }

  SampleList samples_;
  std::vector<fs::path> shards_;
  std::vector<ShardPlace> places_;
  fs::path root_;
  DecodeOptions decode_;
};

// ---- which shards, which classes ----------------------------------------------------------------

bool is_shard(const fs::path& path) {
  const std::string name = lower_case(path.filename().native());
  return name.ends_with(".tar") || name.ends_with(".tar.gz") || name.ends_with(".tgz");
}

std::vector<fs::path> shards_in(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> found = sorted_entries(folder, error);
  std::erase_if(found, [](const fs::path& path) { return is_hidden(path) || !is_shard(path); });
  return found;
}

// train-000000.tar, imagenet-train-0.tar, or all in train/; without such words all are train's.
std::vector<fs::path> shards_of(const DataOptions& options, const std::string& split) {
  const std::string& word = split_option(options, split);
  std::error_code error;
  if (!word.empty() && fs::is_directory(options.root / word, error)) {
    return shards_in(options.root / word);
  }
  if (is_shard(word)) {
    return {options.root / word};
  }
  std::vector<fs::path> found, all = shards_in(options.root);
  const bool by_name = std::ranges::any_of(all, [](const fs::path& path) {
    return !split_in_name(path.filename().native()).empty();
  });
  std::ranges::copy_if(all, std::back_inserter(found), [&](const fs::path& path) {
    const std::string name = path.filename().native();
    return word.empty() ? split_in_name(name) == split || (!by_name && split == "train")
                        : name.starts_with(word);
  });
  for (const fs::path& folder : sorted_entries(options.root, error)) {
    if (word.empty() && split_of_word(folder.filename().native()) == split) {
      std::ranges::copy(shards_in(folder), std::back_inserter(found));
    }
  }
  require<NoSplit>(!found.empty(), "{}: no shards for split '{}': looked for {}-*.tar and "
                   "{}/*.tar; name a folder, a shard or how their names begin in data.{}",
                   printable(options.root.native()), split, word.empty() ? split : word, split,
                   split);
  return found;
}

// The names of numbered classes, one a line; empty if there is no such file.
std::vector<std::string> read_names(const fs::path& root) {
  for (const char* name : {"classnames.txt", "classes.txt", "labels.txt"}) {
    std::error_code error;
    if (fs::is_regular_file(root / name, error)) {
      return filled_lines(read_text_file(root / name, kMostNamesBytes));
    }
  }
  return {};
}

// The split's class names, and the name that each label means.
std::vector<std::string> classes_of(const Shards& shards, const fs::path& root,
                                    std::map<std::string, std::string>& name_of) {
  const std::vector<std::string> names = read_names(root);
  std::vector<std::string> labels(shards.labels.begin(), shards.labels.end());
  if (shards.numbers) {
    std::ranges::sort(labels, {}, [](const std::string& label) { return std::stoll(label); });
  }
  const std::set<std::string> known(names.begin(), names.end());
  for (const std::string& label : labels) {
    const bool number = shards.numbers && !names.empty() && !known.contains(label);
    require<DataError>(!number || std::stoull(label) < names.size(),
                       "{}: label {}, but the list of class names has {}",
                       printable(root.native()), label, names.size());
    name_of[label] = number ? names[std::stoull(label)] : label;
  }
  return names.empty() ? labels : names;
}

std::unique_ptr<Dataset> open_webdataset(const DataOptions& options, const std::string& split,
                                         Purpose) {
  std::vector<fs::path> files = shards_of(options, split);
  const std::string where = printable(files.empty() ? options.root.native() : files[0].native());
  Shards shards;
  for (size_t i = 0; i < files.size(); ++i) {
    read_shard(MappedFile(files[i]).bytes(), printable(files[i].native()), static_cast<int32_t>(i),
               shards);
  }
  require<DataError>(!shards.labels.empty(), "{}: no labels: looked for files .cls, .labels and "
                     ".json beside the pictures", where);
  std::map<std::string, std::string> name_of;
  const ClassList classes(options, classes_of(shards, options.root, name_of), where);
  std::vector<std::string> unknown;
  for (const auto& [label, name] : name_of) {
    if (classes.column(name) < 0) {
      unknown.push_back(name);
    }
  }
  require_known(unknown, classes, where);
  SampleList samples(options.unlabelled, split_limit(options, split), where);
  std::vector<ShardPlace> places;
  std::vector<LabelEntry> entries;
  for (ShardSample& sample : shards.samples) {
    entries.clear();
    for (const auto& [labels, what] : {std::pair(&sample.labels, Label::present),
                                       std::pair(&sample.unknown, Label::unknown)}) {
      for (const std::string& label : *labels) {
        entries.push_back({.column = classes.column(name_of.at(label)), .label = what});
      }
    }
    const int64_t before = samples.labels().size();
    samples.add(std::move(sample.key), entries);
    if (samples.labels().size() > before) {
      places.push_back(sample.picture);
    }
  }
  samples.finish();
  const auto count = static_cast<int64_t>(files.size());
  auto data = std::make_unique<ShardedDataset>(classes, std::move(samples), std::move(files),
                                               std::move(places), options.root, options.decode);
  data->add_note(fmt::format("{}: {}{}{}", where, counted(count, "shard"),
                             shards.without_picture > 0
                                 ? fmt::format("; {} without a picture left out",
                                               counted(shards.without_picture, "sample")) : "",
                             shards.skipped > 0
                                 ? fmt::format("; {} left out",
                                               counted(shards.skipped, "link or device")) : ""));
  return data;
}

bool is_webdataset(const DataOptions& options) {
  std::error_code error;
  return is_shard(options.train) || !shards_in(options.root).empty() ||
         std::ranges::any_of(sorted_entries(options.root, error), [](const fs::path& folder) {
           return split_of_word(folder.filename().native()) == "train" &&
                  !shards_in(folder).empty();
         });
}

}  // namespace

const DataFormat webdataset_format = {
    .name = "webdataset",
    .looks_like = "*.tar shards",
    .splits = "a folder of shards, a shard, or how the shards' names begin",
    .detect = is_webdataset,
    .open = open_webdataset,
};

}  // namespace mld
