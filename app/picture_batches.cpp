#include "app/picture_batches.h"

#include <atomic>
#include <map>
#include <mutex>

#include "app/program.h"
#include "core/kernels.h"
#include "data/image_ops.h"
#include "data/picture_files.h"
#include "data/text.h"

namespace mld {

namespace fs = std::filesystem;

std::vector<fs::path> picture_paths(const std::vector<std::string>& given) {
  std::vector<fs::path> pictures;
  for (const std::string& name : given) {
    std::error_code unreadable;  // reported when the picture is opened
    if (!fs::is_directory(name, unreadable)) {
      pictures.emplace_back(name);
      continue;
    }
    LeftOut left_out;
    const std::vector<std::string> found = list_pictures(name, name, left_out);
    require<DataError>(!found.empty(), "{}: no picture in this folder{}{}", printable(name),
                       left_out.empty() ? "" : "; left out: ", left_out.text());
    if (!left_out.empty()) {
      print(stderr, "mlinfer: {}: left out: {}\n", printable(name), left_out.text());
    }
    for (const std::string& picture : found) {
      pictures.push_back(fs::path(name) / picture);
    }
  }
  return pictures;
}

// The files as a data set without labels, for the loader, whose threads call load().
class PictureBatches::Files : public Dataset {
 public:
  Files(std::vector<fs::path> files, const DecodeOptions& decode)
      : Dataset({}), files_(std::move(files)), decode_(decode) {}

  int64_t size() const override { return static_cast<int64_t>(files_.size()); }
  std::span<const LabelEntry> labels(int64_t) const override { return {}; }
  Image load(int64_t i) const override {
    Image image = load_image(path(i), decode_);
    if (const int side = small_side_; side > 0) {
      SmallPicture small{reduced(image, side), image.width, image.height};
      const std::lock_guard lock(mutex_);
      small_.insert_or_assign(i, std::move(small));
    }
    return image;
  }
  std::string source(int64_t i) const override { return path(i).native(); }
  const fs::path& path(int64_t i) const { return files_[static_cast<size_t>(i)]; }

  void keep_small(int side) { small_side_ = side; }
  std::optional<SmallPicture> take_small(int64_t i) {
    const std::lock_guard lock(mutex_);
    const auto node = small_.extract(i);
    return node.empty() ? std::nullopt : std::optional(std::move(node.mapped()));
  }

 private:
  std::vector<fs::path> files_;
  DecodeOptions decode_;
  std::atomic<int> small_side_ = 0;
  mutable std::mutex mutex_;
  mutable std::map<int64_t, SmallPicture> small_;  // of batches not yet handled
};

// Beside a GPU, threads read ahead. On the CPU the compute threads decode a batch, then compute:
// Note [Workers] in data/loader.h. Nothing is kept of a batch once it is done.
static LoaderOptions reading(const Preprocess& preprocess, Device device) {
  LoaderOptions options;
  options.batch_size = device.is_cpu() ? 8 : 32;
  options.preprocess = preprocess;
  options.cache_bytes = 0;
  options.loading.on_bad_image = OnBadImage::skip;
  options.loading.max_bad_fraction = 1;
  if (!device.is_cpu()) {
    options.compute_threads = 0;  // they wait for the GPU
  }
  return options;
}

PictureBatches::PictureBatches(const PictureCommand& command, const Preprocess& preprocess,
                               TerminalStyle progress)
    : files_(std::make_unique<Files>(
          picture_paths(command.pictures),
          decode_options(preprocess, command.max_pixels.value_or(ImageLimits{}.max_pixels)))),
      loader_(std::make_unique<Loader>(*files_,
                                       reading(preprocess, parse_device(command.device)))),
      progress_({progress, write_stderr, monotonic_seconds}, files_->size()) {}

PictureBatches::~PictureBatches() = default;

int64_t PictureBatches::size() const { return files_->size(); }

void PictureBatches::keep_small(int side) { files_->keep_small(side); }

std::optional<SmallPicture> PictureBatches::small(const Batch& batch, size_t row) {
  return files_->take_small(batch.indices[row]);
}

std::optional<Batch> PictureBatches::next() {
  if (!started_) {
    loader_->start(0);
    started_ = true;
  }
  std::optional<Batch> batch = loader_->next();
  complain();
  if (batch) {
    progress_.done(batch->indices.back() + 1);
  }
  return batch;
}

const fs::path& PictureBatches::file(const Batch& batch, size_t row) const {
  return files_->path(batch.indices[row]);
}

ExitCode PictureBatches::finish() {
  progress_.clear();
  return complain() ? ExitCode::data : ExitCode::ok;
}

// Returns whether there were bad ones so far.
bool PictureBatches::complain() {
  for (const BadPicture& bad : loader_->bad_pictures()) {
    if (told_.insert(bad.sample).second) {
      progress_.print("mlinfer: " + printable_lines(bad.error));
    }
  }
  for (const auto& [sample, damage] : loader_->harmless_damage()) {
    if (told_.insert(sample).second) {
      progress_.print("mlinfer: " + printable(damage) + " (outside the pixels, which are used)");
    }
  }
  return !loader_->bad_pictures().empty();
}

}  // namespace mld
