#include "data/loader.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <numeric>
#include <ranges>

#include "core/error.h"
#include "core/parallel.h"
#include "data/epoch_order.h"
#include "data/mix.h"
#include "data/text.h"

namespace mld {

// The outcome of loading one row of a batch.
struct Loader::Row {
  int64_t sample = -1;          // -1: left out
  std::vector<BadPicture> bad;  // pictures that failed to load
  std::string damage;           // outside the picture's pixels
  std::exception_ptr error;
};

// A batch being filled. Workers that still hold a dropped slot write to it without effect.
struct Loader::Slot {
  int64_t number = 0, epoch = 0, first = 0;  // first: its place in the epoch's order
  std::shared_ptr<const std::vector<int64_t>> order;
  Tensor images, targets;
  std::vector<Row> rows;
  int64_t taken = 0, done = 0;  // rows

  int64_t size() const { return static_cast<int64_t>(rows.size()); }
};

Loader::Loader(const Dataset& data, LoaderOptions options)
    : data_(data), options_(std::move(options)) {
  const LoaderOptions& o = options_;
  require<UsageError>(o.batch_size >= 1, "loader: batch_size is {}, expected 1 or more",
                      o.batch_size);
  const int64_t S = o.preprocess.image_size;
  require<UsageError>(S >= 1 && S <= 65535, "loader: image_size is {}, expected 1 to 65535", S);
  require<UsageError>(o.loading.workers >= -1 && o.loading.workers <= 1024,
                      "loader: workers is {}, expected -1 (automatic) to 1024", o.loading.workers);
  require<UsageError>(o.prefetch >= 1, "loader: prefetch is {}, expected 1 or more", o.prefetch);
  const double bad = o.loading.max_bad_fraction;
  require<UsageError>(bad >= 0 && bad <= 1, "loader: max_bad_fraction is {}, expected 0 to 1", bad);
  require<UsageError>(batches_per_epoch() > 0,
                      "{} do not fill one batch of {}; use a smaller train.batch_size",
                      counted(visits(), "picture"), o.batch_size);
  if (o.augment) {
    check_augment_policy(*o.augment);
  }
  const int compute = o.compute_threads >= 0 ? o.compute_threads : mld::compute_threads();
  plan_ = plan_workers(static_cast<int>(o.loading.workers), compute, usable_processors());
  next_batch_ = batches_per_epoch();  // no batches before start()
  weighted_ = weight(data_.unlisted()) != 1;
  for (int64_t i = 0; i < data_.size() && !weighted_; ++i) {
    weighted_ = std::ranges::any_of(
        data_.labels(i), [this](const LabelEntry& entry) { return weight(entry) != 1; });
  }

  if (!crops() && data_.size() <= o.cache_bytes / (3 * S * S)) {
    cache_ = std::make_unique<PictureCache>(data_.size(), S);
  }
  for (int i = 0; i < plan_.workers; ++i) {
    threads_.emplace_back([this](const std::stop_token& stop) { work(stop); });
  }
}

Loader::~Loader() {
  for (std::jthread& thread : threads_) {
    thread.request_stop();  // all of them first; the destructors then join
  }
}

int64_t Loader::batches_per_epoch() const {
  const int64_t n = visits(), size = options_.batch_size;
  return options_.drop_last ? n / size : (n + size - 1) / size;
}

int64_t Loader::repeats() const {
  return options_.training && options_.augment ? options_.augment->repeats : 1;
}

int64_t Loader::visits() const { return epoch_visits(data_.size(), repeats()); }

void Loader::start(int64_t epoch, int64_t first_batch) {
  require<UsageError>(first_batch >= 0 && first_batch <= batches_per_epoch(),
                      "loader: batch {} of an epoch of {}", first_batch, batches_per_epoch());
  std::vector<int64_t> order;
  if (options_.training) {
    order = epoch_order(data_.size(), options_.seed, epoch, repeats());
  } else {
    order.resize(static_cast<size_t>(data_.size()));
    std::iota(order.begin(), order.end(), int64_t{0});
  }
  const std::scoped_lock lock(mutex_);
  slots_.clear();
  epoch_ = epoch;
  next_batch_ = first_batch;
  order_ = std::make_shared<const std::vector<int64_t>>(std::move(order));
  if (plan_.workers > 0) {
    refill();
  }
}

std::shared_ptr<Loader::Slot> Loader::make_slot(int64_t number) const {
  auto slot = std::make_shared<Slot>();
  slot->number = number;
  slot->epoch = epoch_;
  slot->first = number * options_.batch_size;
  slot->order = order_;
  const int64_t N = std::min(options_.batch_size, visits() - slot->first);
  const int64_t K = static_cast<int64_t>(data_.class_names().size());
  const int64_t S = options_.preprocess.image_size;
  slot->images = Tensor({N, S, S, 3}, DType::u8);
  slot->targets = Tensor({N, K});
  slot->rows.resize(static_cast<size_t>(N));
  return slot;
}

void Loader::refill() {
  while (static_cast<int>(slots_.size()) < options_.prefetch && next_batch_ < batches_per_epoch()) {
    slots_.push_back(make_slot(next_batch_++));
  }
  work_there_.notify_all();
}

void Loader::work(const std::stop_token& stop) {
  const auto open_slot = [this] {
    return std::find_if(slots_.begin(), slots_.end(),
                        [](const auto& slot) { return slot->taken < slot->size(); });
  };
  std::unique_lock lock(mutex_);
  while (work_there_.wait(lock, stop, [&] { return open_slot() != slots_.end(); }) &&
         !stop.stop_requested()) {
    const std::shared_ptr<Slot> slot = *open_slot();
    const int64_t row = slot->taken++;
    lock.unlock();
    fill_row(*slot, row);
    lock.lock();
    if (++slot->done == slot->size()) {
      row_done_.notify_all();
    }
  }
}

std::optional<Batch> Loader::next() {
  while (true) {
    std::shared_ptr<Slot> slot;
    if (plan_.workers > 0) {
      std::unique_lock lock(mutex_);
      if (slots_.empty()) {
        return std::nullopt;
      }
      slot = slots_.front();
      row_done_.wait(lock, [&] { return slot->done == slot->size(); });
      slots_.pop_front();
      refill();
    } else {
      if (next_batch_ >= batches_per_epoch()) {
        return std::nullopt;
      }
      slot = make_slot(next_batch_++);
      const auto fill = [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) {
          fill_row(*slot, row);
        }
      };
      if (plan_.use_compute) {
        parallel_for(slot->size(), 1, fill);
      } else {
        fill(0, slot->size());
      }
    }
    if (std::optional<Batch> batch = hand_out(*slot)) {
      return batch;
    }
  }
}

void Loader::fill_row(Slot& slot, int64_t row) const {
  try {
    load_row(slot, row);
  } catch (...) {
    slot.rows[static_cast<size_t>(row)].error = std::current_exception();
  }
}

void Loader::load_row(Slot& slot, int64_t row) const {
  Row& result = slot.rows[static_cast<size_t>(row)];
  const int64_t n = data_.size(), visits = std::ssize(*slot.order);
  // With more bad pictures than this, hand_out() fails anyway: no need to try further.
  const double allowed = options_.loading.max_bad_fraction * static_cast<double>(n);
  const int64_t tries = options_.training ? visits : 1;
  for (int64_t i = 0; i < tries && static_cast<double>(result.bad.size()) <= allowed; ++i) {
    const int64_t place = (slot.first + row + i) % visits;
    const int64_t sample = (*slot.order)[static_cast<size_t>(place)];
    try {
      const Image image = picture(sample, slot.epoch, place % repeats(), result);
      std::memcpy(slot.images.rows(row, row + 1).raw(), image.rgb.data(), image.rgb.size());
    } catch (const DataError& error) {
      if (options_.loading.on_bad_image == OnBadImage::error) {
        fail<DataError>("{}; mend or remove the file, or set data.on_bad_image = \"skip\" to go "
                        "on without such pictures", error.what());
      }
      result.bad.push_back({sample, data_.source(sample), error.what()});
      continue;
    } catch (const std::bad_alloc&) {
      fail<OutOfMemory>("{}: not enough memory to load this picture",
                        printable(data_.source(sample)));
    }
    result.sample = sample;
    const Tensor targets = slot.targets.rows(row, row + 1);
    std::fill_n(targets.data<float>(), targets.numel(), 0.0f);
    for (const LabelEntry& entry : data_.labels(sample)) {
      targets.data<float>()[entry.column] = entry.label == Label::present ? 1.0f : 0.0f;
    }
    return;
  }
}

bool Loader::crops() const {
  return options_.training && options_.augment && options_.augment->crop_scale;
}

Image Loader::load(int64_t sample, Row& row) const {
  Image image = data_.load(sample);
  row.damage = image.facts.damage;
  return image;
}

Image Loader::picture(int64_t sample, int64_t epoch, int64_t visit, Row& row) const {
  if (!options_.training || !options_.augment) {
    return square_picture(sample, row);
  }
  const RandomKey key{options_.seed, static_cast<uint64_t>(epoch * data_.size() + sample),
                      kAugmentStream + static_cast<uint32_t>(visit) * kAugmentStreams};
  // Resizing a square picture to its own size changes nothing, so the cache serves augment() too.
  return augment(crops() ? load(sample, row) : square_picture(sample, row), options_.preprocess,
                 *options_.augment, key);
}

Image Loader::square_picture(int64_t sample, Row& row) const {
  const auto make = [&] { return to_square(load(sample, row), options_.preprocess); };
  return cache_ ? cache_->get(sample, make) : make();
}

float Loader::weight(const LabelEntry& entry) const {
  return entry.effective_weight(static_cast<float>(options_.unknown_weight));
}

// Of a batch's targets. Undefined only if those of every batch are 1: an update's inputs then have
// the same shapes throughout a run (Note [Replay] in core/specs.h).
Tensor Loader::weights_of(const Batch& batch) const {
  if (!weighted_) {
    return {};
  }
  const Tensor weights = Tensor::full(batch.targets.shape(), weight(data_.unlisted()));
  for (size_t row = 0; row < batch.indices.size(); ++row) {
    const auto n = static_cast<int64_t>(row);
    for (const LabelEntry& entry : data_.labels(batch.indices[row])) {
      weights.rows(n, n + 1).data<float>()[entry.column] = weight(entry);
    }
  }
  return weights;
}

void Loader::mix(Batch& batch, int64_t epoch) const {
  if (!options_.training || !options_.augment) {
    return;
  }
  RandomStream random({options_.seed,
                       static_cast<uint64_t>(epoch * batches_per_epoch() + batch.number),
                       kMixStream});
  const int side = static_cast<int>(options_.preprocess.image_size);
  const Mix mix = draw_mix(*options_.augment, side, random);
  mix_images(mix, batch.images);
  mix_targets(mix, batch.targets, batch.weights);
}

// Removes the rows that were left out. nullopt if no row is left.
std::optional<Batch> Loader::hand_out(Slot& slot) {
  Batch batch;
  batch.number = slot.number;
  int64_t kept = 0;
  for (int64_t row = 0; row < slot.size(); ++row) {
    Row& result = slot.rows[static_cast<size_t>(row)];
    if (result.error) {
      std::rethrow_exception(result.error);
    }
    for (const BadPicture& bad : result.bad) {
      bad_.emplace(bad.sample, bad);
    }
    if (result.sample < 0) {
      continue;
    }
    if (!result.damage.empty()) {
      damage_.emplace(result.sample, data_.source(result.sample) + ": " + result.damage);
    }
    if (kept < row) {
      for (const Tensor* tensor : {&slot.images, &slot.targets}) {
        const Tensor from = tensor->rows(row, row + 1);
        std::memcpy(tensor->rows(kept, kept + 1).raw(), from.raw(), from.bytes());
      }
    }
    batch.indices.push_back(result.sample);
    ++kept;
  }
  const double n = static_cast<double>(data_.size()), bad = static_cast<double>(bad_.size());
  if (bad > options_.loading.max_bad_fraction * n) {
    const BadPicture& first = bad_.begin()->second;
    fail<DataError>("{} of {} pictures cannot be loaded, more than data.max_bad_fraction = {} "
                    "allows; the first is {}: {}", bad_.size(), data_.size(),
                    options_.loading.max_bad_fraction, printable(first.source), first.error);
  }
  if (kept == 0) {
    return std::nullopt;
  }
  batch.images = slot.images.rows(0, kept);
  batch.targets = slot.targets.rows(0, kept);
  batch.weights = weights_of(batch);
  mix(batch, slot.epoch);
  return batch;
}

int64_t Loader::cache_bytes() const { return cache_ ? cache_->bytes() : 0; }

void Loader::note_bad(std::span<const int64_t> samples) {
  for (const int64_t sample : samples) {
    require<DataError>(0 <= sample && sample < data_.size(),
                       "loader: sample {} was bad before, but there are only {} now", sample,
                       data_.size());
    bad_.emplace(sample, BadPicture{sample, data_.source(sample), "bad in an earlier run"});
  }
}

std::vector<BadPicture> Loader::bad_pictures() const {
  return {std::views::values(bad_).begin(), std::views::values(bad_).end()};
}

}  // namespace mld
