// Reads the pickles in PyTorch's files as data. A pickle is a program for a stack machine that may
// call any function of Python; here nothing is ever called. The few opcodes and globals that named
// tensors need are understood, every other one ends in an error that names it.
//
// Format: https://docs.python.org/3/library/pickletools.html, protocols 2 to 5.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mld::pickle {

using Id = uint32_t;  // a value's place in Pickle::values

enum class Kind : uint8_t {
  none,
  boolean,   // integer
  integer,   // integer
  long_int,  // text: an integer of more than 8 bytes, little-endian two's complement
  real,      // real
  text,      // text
  bytes,     // text
  sequence,  // items: a tuple's, list's, set's or torch.Size's members
  dict,      // items: key, value, key, value, ...; repeated keys are kept
  global,    // text: "torch FloatStorage"
  storage,   // items: its persistent id ('storage', type, key, location, elements)
  tensor,    // items: the arguments of torch._utils._rebuild_tensor[_v2]
};

struct Value {
  Kind kind = Kind::none;
  int64_t integer = 0;
  double real = 0;
  std::string_view text{};  // within the pickle
  std::vector<Id> items{};
};

// Values refer to each other by number, so cycles and depth cost nothing until somebody walks them.
struct Pickle {
  std::vector<Value> values;
  Id root = 0;       // the result
  size_t bytes = 0;  // the pickle's length

  const Value& operator[](Id id) const { return values[id]; }
  const Value& result() const { return values[root]; }
};

// At most this many values: a state of 20,000 tensors has some 300,000.
constexpr size_t kMaxValues = 2'000'000;

// The pickle at the start of `bytes`, which must outlive the result. `name` starts messages.
// Memory is bounded by a small multiple of the pickle and by kMaxValues.
// Errors: DataError for an opcode or a global that tensors do not need, with its name and place;
// for a pickle that is cut or malformed, or has too many values.
Pickle read(std::span<const uint8_t> bytes, const std::string& name);

}  // namespace mld::pickle
