// The pictures that a command names, read batch by batch in constant memory.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "app/cli.h"
#include "app/progress.h"
#include "core/error.h"
#include "data/loader.h"

namespace mld {

// Files as given, and the pictures in and below given folders; what was left out is said on stderr.
// Errors: DataError for a folder without pictures.
std::vector<std::filesystem::path> picture_paths(const std::vector<std::string>& given);

// A picture with few pixels, and the size it had.
struct SmallPicture {
  Image image;
  int width = 0, height = 0;
};

// Reads ahead, shows progress, and tells on stderr of each bad or damaged picture once.
class PictureBatches {
 public:
  // progress: of reading, on a terminal. Errors: as picture_paths.
  PictureBatches(const PictureCommand& command, const Preprocess& preprocess,
                 TerminalStyle progress);
  ~PictureBatches();

  int64_t size() const;  // files, readable or not
  // From now on pictures are also kept with at most `side` pixels a side, for small(); 0: no more.
  void keep_small(int side);

  // The next pictures that could be read; nullopt at the end.
  std::optional<Batch> next();
  const std::filesystem::path& file(const Batch& batch, size_t row) const;
  // To be asked for once; nullopt if it was not kept.
  std::optional<SmallPicture> small(const Batch& batch, size_t row);
  std::vector<BadPicture> bad_pictures() const { return loader_->bad_pictures(); }
  // What a program returns that could not read some of them. To be called at the end.
  ExitCode finish();

 private:
  class Files;
  bool complain();

  std::unique_ptr<Files> files_;
  std::unique_ptr<Loader> loader_;
  PictureProgress progress_;
  std::set<int64_t> told_;
  bool started_ = false;
};

}  // namespace mld
