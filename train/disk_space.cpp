#include "train/disk_space.h"

#include "core/error.h"
#include "data/text.h"

namespace mld {
namespace fs = std::filesystem;

constexpr int64_t kMiB = 1 << 20;

RunBytes run_bytes(Module& model, const Config& config) {
  int64_t elements = 0, trained = 0, tensors = 0;
  for (const auto& [name, state] : state_tensors(model)) {
    elements += state->shape.numel();
    ++tensors;
  }
  for (const auto& [name, p] : parameters(model)) {
    trained += p->trainable ? p->shape.numel() : 0;
  }
  constexpr int64_t kFloat = 4, kHeader = 160;  // bytes; a header names every tensor twice
  constexpr int64_t kDescription = 16 << 10;    // the config, class names, metrics
  const int64_t moments = std::ssize(optimizer_row(config.optim).moments);
  const int64_t copies = 2 + (config.train.model_ema_decay > 0 ? 1 : 0);  // current, best, average
  RunBytes bytes;
  bytes.weights = elements * kFloat + tensors * kHeader + kDescription;
  bytes.state = copies * bytes.weights + moments * (trained * kFloat + tensors * kHeader);
  return bytes;
}

std::optional<int64_t> free_disk_bytes(fs::path folder) {
  std::error_code error;
  folder = fs::absolute(folder, error);
  while (!fs::exists(folder, error) && folder.has_relative_path()) {
    folder = folder.parent_path();
  }
  const fs::space_info space = fs::space(folder, error);
  return error || space.capacity == 0 ? std::nullopt
                                      : std::optional(static_cast<int64_t>(space.available));
}

void require_disk_space(const RunBytes& bytes, const RunFolder& folder) {
  int64_t present = 0;
  for (const fs::path& path : {folder.state(), folder.best(), folder.last()}) {
    std::error_code missing;
    const auto size = fs::file_size(path, missing);
    present += missing ? 0 : static_cast<int64_t>(size);
  }
  const int64_t needed = bytes.most() - present + kMiB;  // logs and the like
  const std::optional<int64_t> free = free_disk_bytes(folder.root);
  require<Error>(!free || needed <= *free,
                 "{}: its disk has {} MiB free, the run's files take {} MiB more: its state of {} "
                 "MiB, twice while it is replaced, and two times {} MiB of weights; make room, or "
                 "choose another place with --out",
                 printable(folder.root.native()), free.value_or(0) / kMiB, needed / kMiB,
                 bytes.state / kMiB, bytes.weights / kMiB);
}

}  // namespace mld
