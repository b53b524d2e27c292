// PyTorch's own weight files (.pth, .pt, .bin, .ckpt), as torch.save writes them: a zip archive
// since version 1.6, before that a stream of pickles. Nothing in a file is run (data/pickle.h).
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "data/safetensors.h"

namespace mld {

// A file mapped into memory, and the model's state found in it: the dict with the tensors, be it
// the whole file or an entry ("model", "state_dict", "state_dict.encoder"). An average of the
// weights ("model_ema", "state_dict_ema") is preferred, an optimiser's state never taken.
class PthFile {
 public:
  // Errors: DataError for a missing, truncated or malformed file; for content that tensors do not
  // need, named (a pickled model, a function); for a file without a dict of tensors; for tensors
  // that lie outside their storages or are together more than kMostTimes as large as the file.
  explicit PthFile(const std::filesystem::path& path);
  // From memory (fuzzing, tests). The bytes must outlive the object.
  PthFile(std::span<const uint8_t> bytes, std::string name);
  ~PthFile();
  PthFile(PthFile&&) noexcept;
  PthFile& operator=(PthFile&&) noexcept;

  // In the state's order; valid while the object lives. A tensor's bytes are views of the file,
  // but for those with strides, which are copied.
  const std::vector<std::pair<std::string, SafeTensor>>& tensors() const;
  // Where the state is: "model", "" for the whole file.
  const std::string& entry() const;
  // From "idx_to_class" beside the state, by index; empty if there is none for 0, 1, 2, ...
  const std::vector<std::string>& class_names() const;
  const std::string& path() const;

  // Tied weights and views may say the same bytes twice.
  static constexpr uint64_t kMostTimes = 8;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Whether a file with these first bytes is one that torch.save wrote, of either form.
bool is_pth(std::span<const uint8_t> bytes);
bool is_pth(const std::filesystem::path& path);

}  // namespace mld
