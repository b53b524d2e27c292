// Parses and checks the (untrusted) header of a safetensors file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/safetensors.h"

namespace mld {

// The metadata key of the format; no tensor may have this name.
inline constexpr std::string_view kSafetensorsMetadata = "__metadata__";

// A file's content: names in the header's order; tensors[i] belongs to names[i].
struct SafeTensorsContent {
  std::vector<std::string> names;
  std::vector<SafeTensor> tensors;
  std::map<std::string, std::string> metadata;
};

// Parses a whole file; the tensors are views into `bytes`. `file` appears in messages.
// Errors: DataError, see SafeTensorsFile. Memory is bounded by a small multiple of the header.
SafeTensorsContent parse_safetensors(std::span<const uint8_t> bytes, const std::string& file);

// Bytes per element of a safetensors type; 0 for a type we do not know.
size_t safetensors_element_size(std::string_view dtype);

// The product of the dimensions (each >= 0); nullopt if the product of the nonzero ones exceeds 62
// bits, so that shapes such as [0, 2^40, 2^40] are refused too.
std::optional<uint64_t> checked_numel(const std::vector<int64_t>& shape);

// A name from a file in quotes, cut to a readable length, without control characters.
std::string quoted_name(std::string_view name);

}  // namespace mld
