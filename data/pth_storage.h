// What the pickles in PyTorch's files say about storages: flat arrays that tensors are views of.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/pickle.h"

namespace mld {

// A persistent id: ('storage', type, key, location, elements[, part of it]).
struct StorageClaim {
  std::string_view dtype, key;  // safetensors' type
  size_t size = 0;              // bytes of an element
  uint64_t count = 0;           // elements
  uint64_t offset = 0;          // the first one, where this is a part of a storage
};

// `file` starts messages. Errors: DataError for anything else, or a type we do not read.
StorageClaim storage_claim(const pickle::Pickle& pickle, const pickle::Value& storage,
                           const std::string& file);

// A number from 0. `what` is in the message of the DataError for anything else.
int64_t natural(const pickle::Pickle& pickle, pickle::Id id, const std::string& what);
// A tuple of them: a shape or strides.
std::vector<int64_t> naturals(const pickle::Pickle& pickle, pickle::Id id, const std::string& what);

// Whether elements in row-major order follow each other without gaps. shape, strides: equally long.
bool contiguous(const std::vector<int64_t>& shape, const std::vector<int64_t>& strides);
// The place of the last element, counted from the first one. Every dimension is at least 1.
// Errors: DataError beyond 64 bits.
uint64_t last_element(const std::vector<int64_t>& shape, const std::vector<int64_t>& strides,
                      const std::string& what);
// Elements of `size` bytes, `strides` apart in `from`, copied in row-major order to `to`.
void gather(const uint8_t* from, const std::vector<int64_t>& shape,
            const std::vector<int64_t>& strides, size_t size, std::vector<uint8_t>& to);

}  // namespace mld
