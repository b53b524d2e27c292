#include "data/formats/cifar.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <fcntl.h>

#include "core/error.h"
#include "data/file.h"
#include "data/formats/file_dataset.h"
#include "data/formats/format.h"
#include "data/text.h"

namespace mld {
namespace fs = std::filesystem;

std::vector<int32_t> cifar_labels(std::span<const uint8_t> file, const CifarLayout& layout,
                                  int64_t classes, const std::string& name) {
  const int64_t bytes = static_cast<int64_t>(file.size()), record = layout.record();
  require<DataError>(bytes > 0, "{}: the file is empty, expected records of {} bytes", name,
                     record);
  require<DataError>(bytes % record == 0,
                     "{}: byte {}: the last record has {} of {} bytes; the file is truncated or "
                     "not in CIFAR's binary format",
                     name, bytes / record * record, bytes % record, record);
  std::vector<int32_t> labels;
  for (int64_t at = layout.label_bytes - 1; at < bytes; at += record) {
    labels.push_back(file[static_cast<size_t>(at)]);
    require<DataError>(labels.back() < classes,
                       "{}: byte {}: label {} in record {}, expected a label below {}", name, at,
                       labels.back(), at / record, classes);
  }
  return labels;
}

Image cifar_picture(std::span<const uint8_t> pixels) {
  constexpr size_t kPlane = kCifarSide * kCifarSide;
  require<DataError>(pixels.size() == kCifarPixels, "CIFAR record: {} bytes of pixels, expected {}",
                     pixels.size(), kCifarPixels);
  Image image(kCifarSide, kCifarSide);
  for (size_t i = 0; i < kPlane; ++i) {
    for (size_t c = 0; c < 3; ++c) {
      image.rgb[i * 3 + c] = pixels[c * kPlane + i];
    }
  }
  return image;
}

namespace {

constexpr int64_t kMostNameBytes = int64_t{1} << 20;

// Pictures are read record by record: a split need not fit in memory.
class CifarDataset : public Dataset {
 public:
  struct File {
    fs::path path;
    FileDescriptor descriptor;
    int64_t first = 0;  // sample
  };
  CifarDataset(const ClassList& classes, CifarLayout layout, std::vector<File> files,
               SampleList samples)
      : Dataset(classes.space()), layout_(layout), files_(std::move(files)),
        samples_(std::move(samples)) {
    samples_.add_notes(*this);
  }

  int64_t size() const override { return samples_.labels().size(); }
  std::span<const LabelEntry> labels(int64_t i) const override { return samples_.labels().row(i); }
  int64_t stored_bytes(int64_t) const override { return kCifarPixels; }
  std::string stored(int64_t i) const override {
    const std::vector<uint8_t> rgb = load(i).rgb;
    return {rgb.begin(), rgb.end()};
  }
  std::string source(int64_t i) const override {
    const File& file = file_of(i);
    return fmt::format("{}:{}", file.path.filename().native(), i - file.first);
  }
  std::string file(int64_t i) const override {
    const File& file = file_of(i);
    return fmt::format("{}:{}", normal_path(file.path), i - file.first);
  }
  Image load(int64_t i) const override {
    const File& file = file_of(i);
    std::array<uint8_t, kCifarPixels> pixels;
    const int64_t at = (i - file.first) * layout_.record() + layout_.label_bytes;
    const ssize_t count = ::pread(file.descriptor.get(), pixels.data(), pixels.size(), at);
    require<DataError>(count == kCifarPixels, "{}: byte {}: cannot read a record: {}",
                       printable(file.path.filename().native()), at,
                       count < 0 ? std::strerror(errno) : "the file is shorter now");
    return cifar_picture(pixels);
  }

 private:
  const File& file_of(int64_t i) const {
    const auto after = std::upper_bound(files_.begin(), files_.end(), i,
                                        [](int64_t n, const File& file) { return n < file.first; });
    return *(after - 1);
  }

  CifarLayout layout_;
  std::vector<File> files_;
  SampleList samples_;
};

// The folder of the .bin files, the names, and which of the two data sets it is.
struct CifarFolder {
  fs::path path;
  bool hundred = false;
  const char* names_file() const { return hundred ? "fine_label_names.txt" : "batches.meta.txt"; }
};

std::optional<CifarFolder> find_cifar(const fs::path& root) {
  for (const char* below : {"", "cifar-10-batches-bin", "cifar-100-binary"}) {
    for (const bool hundred : {false, true}) {
      CifarFolder folder{*below == '\0' ? root : root / below, hundred};
      std::error_code error;
      if (fs::is_regular_file(folder.path / folder.names_file(), error)) {
        return folder;
      }
    }
  }
  return std::nullopt;
}

CifarFolder cifar_folder(const fs::path& root) {
  const std::optional<CifarFolder> found = find_cifar(root);
  require<DataError>(found.has_value(),
                     "{}: no CIFAR data: looked for batches.meta.txt or fine_label_names.txt here, "
                     "in cifar-10-batches-bin and in cifar-100-binary",
                     printable(root.native()));
  return *found;
}

std::vector<std::string> read_names(const fs::path& path) {
  return filled_lines(read_text_file(path, kMostNameBytes));
}

// The files of a split. CIFAR has no val split of its own: val and test are both the test file.
std::vector<fs::path> split_files(const CifarFolder& folder, const DataOptions& options,
                                  const std::string& split) {
  const std::string& word = split_option(options, split);
  if (!word.empty()) {
    const fs::path named = options.root / word;
    return {fs::exists(named) ? named : folder.path / word};
  }
  if (split == "val" && options.val_fraction > 0) {
    fail<NoSplit>("{}: split 'val' is a part of train", printable(folder.path.native()));
  }
  std::vector<fs::path> files;
  for (const fs::path& path : sorted_entries(folder.path)) {
    const std::string name = path.filename().native();
    const bool train = folder.hundred ? name == "train.bin"
                                      : name.starts_with("data_batch_") && name.ends_with(".bin");
    const bool test = name == (folder.hundred ? "test.bin" : "test_batch.bin");
    if (split == "train" ? train : test) {
      files.push_back(path);
    }
  }
  require<NoSplit>(!files.empty(), "{}: no {} for split '{}'; name a .bin file in data.{}",
                     printable(folder.path.native()),
                     split == "train" ? folder.hundred ? "train.bin" : "data_batch_*.bin"
                     : folder.hundred ? "test.bin"
                                      : "test_batch.bin",
                     split, split);
  return files;
}

bool is_cifar(const DataOptions& options) { return find_cifar(options.root).has_value(); }

std::unique_ptr<Dataset> open_cifar(const DataOptions& options, const std::string& split, Purpose) {
  const CifarFolder folder = cifar_folder(options.root);
  const CifarLayout layout{folder.hundred ? 2 : 1};
  const ClassList own({.names = read_names(folder.path / folder.names_file())},
                      printable((folder.path / folder.names_file()).native()));
  const ClassList classes(options, own.names(), "");  // own.names() are valid by now
  std::vector<CifarDataset::File> files;
  std::vector<std::string> unknown;
  SampleList samples(Unlabelled::keep, split_limit(options, split),
                     printable(options.root.native()));
  int64_t total = 0;
  for (const fs::path& path : split_files(folder, options, split)) {
    const std::string name = printable(path.native());
    const MappedFile mapped(path);
    const std::vector<int32_t> labels = cifar_labels(mapped.bytes(), layout, own.size(), name);
    FileDescriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    require<DataError>(descriptor.open(), "{}: cannot open: {}", name, std::strerror(errno));
    files.push_back({path, std::move(descriptor), total});
    total += static_cast<int64_t>(labels.size());
    for (const int32_t own_label : labels) {
      const std::string& class_name = own.names()[static_cast<size_t>(own_label)];
      const LabelEntry label{classes.column(class_name)};
      if (label.column >= 0) {
        samples.add("", {&label, 1});
      } else if (std::find(unknown.begin(), unknown.end(), class_name) == unknown.end()) {
        unknown.push_back(class_name);
      }
    }
  }
  require_known(unknown, classes, printable(options.root.native()));
  samples.finish();
  return std::make_unique<CifarDataset>(classes, layout, std::move(files),
                                        std::move(samples));
}

}  // namespace

const DataFormat cifar_format = {
    .name = "cifar",
    .looks_like = "batches.meta.txt or fine_label_names.txt",
    .splits = "a .bin file",
    .detect = is_cifar,
    .open = open_cifar,
};

}  // namespace mld
