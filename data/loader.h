// Batches of pictures and targets, decoded ahead by worker threads.
//
// A batch is a pure function of (data, options, epoch, batch number): neither the number of workers
// nor the order in which they finish changes a byte.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "core/tensor.h"
#include "data/augment.h"
#include "data/dataset.h"
#include "data/inspect.h"
#include "data/picture_cache.h"

namespace mld {

enum class OnBadImage { error, skip };
constexpr std::array<std::string_view, 2> words_of(OnBadImage) { return {"error", "skip"}; }

// The random number streams the loader uses: augment() owns kAugmentStreams of them for each visit
// of a sample in an epoch. (The order of the epoch has its own: data/epoch_order.cpp.)
constexpr uint32_t kMixStream = 0x4C0001, kAugmentStream = 0x4C0010;

// Keys of config section [data]: how pictures are loaded, not what they become.
struct LoadingSpec {
  OnBadImage on_bad_image = OnBadImage::error;
  double max_bad_fraction = 0.001;  // of the data set; more bad pictures are an error
  int64_t max_pixels = ImageLimits{}.max_pixels;  // of a picture; a larger one is a bad picture
  int64_t workers = -1;             // see Note [Workers]
};

struct LoaderOptions {
  int64_t batch_size = 32;
  Preprocess preprocess;
  LoadingSpec loading;
  // Training: shuffled, bad pictures are replaced. Evaluation: in order, bad ones are left out.
  bool training = false;
  bool drop_last = false;  // leave out a last batch that is not full
  uint64_t seed = 42;
  double unknown_weight = 0;  // of an unknown label, which counts as absent; 0 = left out
  // Training only. The key's step is epoch * samples + sample, or, for mixing a batch,
  // epoch * batches + batch.
  std::optional<AugmentPolicy> augment;
  int compute_threads = -1;  // CPU threads the model uses; -1 = compute_threads()
  int prefetch = 3;          // batches decoded ahead of the one handed out
  // Decoded and resized pictures are kept for the next epoch if the whole set fits (0 = never) and
  // no random-resized crop needs the original.
  int64_t cache_bytes = int64_t{512} << 20;
};

// Note [Workers]. workers = 0: next() loads the batch in the calling thread. workers = N > 0: N
// threads load ahead. workers = -1: one worker, at most 16, for each processor that the compute
// threads leave idle; if there is none, next() loads the batch with the compute threads, which wait
// for it anyway. So workers + compute threads never exceed the processors unless the user asks.
struct WorkerPlan {
  int workers = 0;           // the loader's own threads
  bool use_compute = false;  // next() borrows the compute threads
};
WorkerPlan plan_workers(int workers, int compute_threads, int processors);
// The processors this process may run on (its affinity mask).
int usable_processors();

struct Batch {
  Tensor images;                 // u8 [N, S, S, 3]
  Tensor targets;                // f32 [N, K]: 1 = present, else 0; between them if mixed
  Tensor weights{};              // f32 [N, K]: of the targets; undefined = all are 1
  std::vector<int64_t> indices{};  // [N] the sample of each row
  int64_t number = 0;            // of the batch in its epoch
};

class Loader {
 public:
  // `data` must outlive the loader. Errors: UsageError for options out of range.
  Loader(const Dataset& data, LoaderOptions options);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  const Dataset& data() const { return data_; }
  int64_t batches_per_epoch() const;
  // Begins an epoch, at any batch of it (to resume). Batches in flight are dropped.
  void start(int64_t epoch, int64_t first_batch = 0);
  // The next batch, nullopt after the last. With on_bad_image = skip, a picture that cannot be
  // loaded is replaced in training by the next good sample in the epoch's order (cyclic); in
  // evaluation it is left out, so batches may be shorter, and one without good pictures is skipped.
  // Errors: whatever loading the batch raised (DataError: a bad picture; too many of them).
  std::optional<Batch> next();

  // The bad pictures in batches returned so far, by sample.
  std::vector<BadPicture> bad_pictures() const;
  // Damage outside the pixels of the pictures returned so far, by sample.
  const std::map<int64_t, std::string>& harmless_damage() const { return damage_; }
  // Counts samples that an earlier process found bad. Errors: DataError for an unknown sample.
  void note_bad(std::span<const int64_t> samples);
  const WorkerPlan& workers() const { return plan_; }
  // Memory of the cache once all pictures have been loaded; 0 = no cache.
  int64_t cache_bytes() const;

 private:
  struct Row;
  struct Slot;

  std::shared_ptr<Slot> make_slot(int64_t number) const;
  void refill();                              // opens slots up to `prefetch`; mutex_ is held
  void work(const std::stop_token& stop);     // a worker's main loop
  void fill_row(Slot& slot, int64_t row) const;  // never throws: errors are stored in the row
  void load_row(Slot& slot, int64_t row) const;
  bool crops() const;  // each epoch sees a different part of the decoded picture
  Image picture(int64_t sample, int64_t epoch, int64_t visit, Row& row) const;
  int64_t visits() const;  // of samples in an epoch
  int64_t repeats() const;
  void mix(Batch& batch, int64_t epoch) const;
  Image square_picture(int64_t sample, Row& row) const;
  Image load(int64_t sample, Row& row) const;
  std::optional<Batch> hand_out(Slot& slot);
  float weight(const LabelEntry& entry) const;
  Tensor weights_of(const Batch& batch) const;

  const Dataset& data_;
  LoaderOptions options_;
  WorkerPlan plan_;
  bool weighted_ = false;  // some label's weight is not 1
  int64_t epoch_ = 0, next_batch_ = 0;
  std::shared_ptr<const std::vector<int64_t>> order_;
  std::map<int64_t, BadPicture> bad_;
  std::map<int64_t, std::string> damage_;

  std::unique_ptr<PictureCache> cache_;

  std::mutex mutex_;  // guards the slots and their counters
  std::condition_variable_any work_there_, row_done_;
  std::deque<std::shared_ptr<Slot>> slots_;  // in batch order
  std::vector<std::jthread> threads_;        // last: they stop before the rest is destroyed
};

}  // namespace mld
