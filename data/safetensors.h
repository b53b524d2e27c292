// safetensors files: reading (untrusted) and writing.
//
// Format: u64 little-endian header length, a JSON object name -> {dtype, shape, data_offsets} with
// an optional "__metadata__" of strings, padded with spaces, then raw little-endian data.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/tensor.h"
#include "data/file.h"

namespace mld {

// A view of one stored tensor: any safetensors dtype, any number of dimensions.
struct SafeTensor {
  std::string dtype;  // "F32", "BF16", "F64", "I64", "U8", "BOOL", ...
  std::vector<int64_t> shape;
  std::span<const uint8_t> bytes;

  int64_t numel() const;
  // The type of a Tensor that has the same elements, if there is one.
  std::optional<DType> same_dtype() const;
  // The elements widened to double (F16, BF16, F32, F64, integers, BOOL), host order.
  std::vector<double> to_doubles() const;
  // As a CPU tensor: F32, BF16, I32, I64, U8 keep their type, F16 and F64 become float32, BOOL
  // becomes uint8. Errors: DataError for other types or more than five dimensions.
  Tensor to_tensor() const;
};

// A file mapped into memory; entries stay valid while the object lives.
class SafeTensorsFile {
 public:
  // Errors: DataError for a missing, truncated or malformed file: header longer than the file or
  // than 100 MB, bad JSON, duplicate names, offsets that overlap, leave gaps or do not fit
  // dtype x shape, products that overflow.
  explicit SafeTensorsFile(const std::filesystem::path& path);
  // From memory (fuzzing, tests). The bytes must outlive the object.
  SafeTensorsFile(std::span<const uint8_t> bytes, std::string name);
  ~SafeTensorsFile();
  SafeTensorsFile(SafeTensorsFile&&) noexcept;
  SafeTensorsFile& operator=(SafeTensorsFile&&) noexcept;

  // Names in file order.
  const std::vector<std::string>& names() const;
  bool contains(std::string_view name) const;
  // Errors: DataError, naming the nearest name, if there is no such name.
  const SafeTensor& at(std::string_view name) const;
  const std::map<std::string, std::string>& metadata() const;
  const std::string& path() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Serialises named tensors, each aligned to its element size; the same input gives the same bytes.
// The header names tensors in the order given, metadata in key order. Tensors may be on any device;
// one at a time is copied to the host.
// Errors: a name twice, a tensor without data; DataError for text that is not UTF-8.
void write_safetensors(const std::vector<std::pair<std::string, Tensor>>& tensors,
                       const std::map<std::string, std::string>& metadata, const ByteSink& sink);
// The same as one piece of memory.
std::vector<uint8_t> to_safetensors(const std::vector<std::pair<std::string, Tensor>>& tensors,
                                    const std::map<std::string, std::string>& metadata);

}  // namespace mld
