#include "data/pth_storage.h"

#include <array>
#include <cstring>
#include <utility>

#include "core/error.h"
#include "data/safetensors_header.h"

namespace mld {

using pickle::Kind;
using pickle::Pickle;
using pickle::Value;

static std::string_view storage_dtype(std::string_view storage) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 10> kTypes{{
      {"FloatStorage", "F32"}, {"HalfStorage", "F16"}, {"BFloat16Storage", "BF16"},
      {"DoubleStorage", "F64"}, {"LongStorage", "I64"}, {"IntStorage", "I32"},
      {"ShortStorage", "I16"}, {"CharStorage", "I8"}, {"ByteStorage", "U8"},
      {"BoolStorage", "BOOL"}}};
  for (const auto& [known, dtype] : kTypes) {
    if (storage == known) {
      return dtype;
    }
  }
  return "";
}

StorageClaim storage_claim(const Pickle& pickle, const Value& storage, const std::string& file) {
  const std::vector<pickle::Id>& items = storage.items;
  const auto is = [&](size_t i, Kind kind) { return pickle[items[i]].kind == kind; };
  require<DataError>((items.size() == 5 || items.size() == 6) && is(0, Kind::text) &&
                         is(1, Kind::global) && is(2, Kind::text) &&
                         pickle[items[0]].text == "storage",
                     "{}: a reference to something other than a storage", file);
  const std::string_view type = pickle[items[1]].text;
  StorageClaim claim;
  claim.dtype = storage_dtype(type);
  require<DataError>(!claim.dtype.empty(), "{}: tensors of type {} are not read", file,
                     quoted_name(type));
  claim.size = safetensors_element_size(claim.dtype);
  claim.key = pickle[items[2]].text;
  claim.count = static_cast<uint64_t>(natural(pickle, items[4], file + ": a storage's size"));
  if (items.size() == 6 && is(5, Kind::sequence)) {  // (key, offset, elements) of the part
    const std::vector<pickle::Id>& part = pickle[items[5]].items;
    require<DataError>(part.size() == 3, "{}: a malformed part of a storage", file);
    claim.offset = static_cast<uint64_t>(natural(pickle, part[1], file + ": a part's offset"));
    claim.count = static_cast<uint64_t>(natural(pickle, part[2], file + ": a part's size"));
  }
  return claim;
}

int64_t natural(const Pickle& pickle, pickle::Id id, const std::string& what) {
  const Value& value = pickle[id];
  require<DataError>(value.kind == Kind::integer && value.integer >= 0, "{} is no number from 0",
                     what);
  return value.integer;
}

std::vector<int64_t> naturals(const Pickle& pickle, pickle::Id id, const std::string& what) {
  constexpr size_t kMostDims = 32;
  const Value& value = pickle[id];
  require<DataError>(value.kind == Kind::sequence && value.items.size() <= kMostDims,
                     "{} is no tuple of up to {} numbers", what, kMostDims);
  std::vector<int64_t> found;
  for (const pickle::Id item : value.items) {
    found.push_back(natural(pickle, item, what));
  }
  return found;
}

bool contiguous(const std::vector<int64_t>& shape, const std::vector<int64_t>& strides) {
  int64_t expected = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    if (shape[i] != 1 && strides[i] != expected) {
      return false;
    }
    expected *= shape[i];
  }
  return true;
}

uint64_t last_element(const std::vector<int64_t>& shape, const std::vector<int64_t>& strides,
                      const std::string& what) {
  uint64_t last = 0, step = 0;
  for (size_t i = 0; i < shape.size(); ++i) {
    const bool fits = !__builtin_mul_overflow(static_cast<uint64_t>(shape[i] - 1),
                                              static_cast<uint64_t>(strides[i]), &step) &&
                      !__builtin_add_overflow(last, step, &last);
    require<DataError>(fits, "{}: its strides are too large", what);
  }
  return last;
}

void gather(const uint8_t* from, const std::vector<int64_t>& shape,
            const std::vector<int64_t>& strides, size_t size, std::vector<uint8_t>& to) {
  std::vector<int64_t> index(shape.size(), 0);
  int64_t at = 0;
  for (size_t i = 0; i < to.size(); i += size) {
    std::memcpy(&to[i], from + static_cast<size_t>(at) * size, size);
    for (size_t d = shape.size(); d-- > 0;) {  // the next index, as an odometer counts
      at += strides[d];
      if (++index[d] < shape[d]) {
        break;
      }
      at -= strides[d] * shape[d];
      index[d] = 0;
    }
  }
}

}  // namespace mld
