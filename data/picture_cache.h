// Keeps the square pictures of a small data set for the next epoch.
#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "data/image.h"

namespace mld {

class PictureCache {
 public:
  // Room for `samples` pictures of side x side pixels; no memory is used until they are there.
  PictureCache(int64_t samples, int64_t side);

  // The picture of a sample: the kept one, else make()'s, which is then kept. From any thread.
  Image get(int64_t sample, const std::function<Image()>& make);
  // Memory once all pictures are there.
  int64_t bytes() const { return samples_ * picture_bytes_; }

 private:
  int64_t samples_, side_, picture_bytes_;
  std::unique_ptr<uint8_t[]> pixels_;              // [samples, side, side, 3]
  std::unique_ptr<std::atomic<uint8_t>[]> state_;  // of each: 0 absent, 1 being written, 2 there
};

}  // namespace mld
