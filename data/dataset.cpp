#include "data/dataset.h"

#include <bit>

namespace mld {
namespace {

// FNV-1a, 64 bits.
class Hash {
 public:
  void byte(uint8_t value) { state_ = (state_ ^ value) * 0x100000001b3u; }
  void number(uint64_t value) {
    for (int shift = 0; shift < 64; shift += 8) {
      byte(static_cast<uint8_t>(value >> shift));
    }
  }
  // With the length, so that "ab", "c" and "a", "bc" differ.
  void text(const std::string& value) {
    number(value.size());
    for (const char c : value) {
      byte(static_cast<uint8_t>(c));
    }
  }
  uint64_t value() const { return state_; }

 private:
  uint64_t state_ = 0xcbf29ce484222325u;
};

}  // namespace

uint64_t fingerprint(const Dataset& data) {
  Hash hash;
  hash.number(data.class_names().size());
  for (const std::string& name : data.class_names()) {
    hash.text(name);
  }
  hash.number(static_cast<uint64_t>(data.size()));
  for (int64_t i = 0; i < data.size(); ++i) {
    hash.text(data.source(i));
    for (const LabelEntry& entry : data.labels(i)) {
      hash.number(static_cast<uint64_t>(entry.column));
      hash.byte(static_cast<uint8_t>(entry.label));
      if (entry.weight != 1) {  // so that data without weights keeps the value it always had
        hash.number(std::bit_cast<uint32_t>(entry.weight));
      }
    }
  }
  return hash.value();
}

}  // namespace mld
